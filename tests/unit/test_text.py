"""Foreign text is made visible, never obeyed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.model.text import visible


@given(st.text())
def test_nothing_a_terminal_acts_on_is_left(text: str) -> None:
    """No control, format, surrogate or separator character survives."""
    shown = visible(text)

    kinds = {unicodedata.category(ch) for ch in shown}
    assert kinds.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@pytest.mark.parametrize(
    "text", ["Acme", "東京測量", "Ünïcode & Söhne", "[bold red]x[/]"]
)
def test_ordinary_text_is_kept(text: str) -> None:
    """Letters of every script and brackets stay as they are."""
    assert visible(text) == text


def test_escape_sequences_and_overrides_are_shown() -> None:
    """ESC becomes its picture, a bidi override its code point."""
    assert visible("\x1b]52;c;x\x07\u202e") == "␛]52;c;x␇⟨202E⟩"


def test_long_text_is_cut_with_a_mark() -> None:
    """A name as long as a book takes no more room than the limit."""
    assert visible("a" * 500, limit=10) == "a" * 10 + "…"
