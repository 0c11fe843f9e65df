"""Commands that stand within sentences and tables are commands that there are."""

import contextlib
import io
import re
import shlex

import pytest
from tests.docs.pages import Page, all_pages
from tests.docs.test_links import prose_of

from meterdeck.core.errors import BadInput
from meterdeck.tui.cli.commands import build_parser

_INLINE = re.compile(r"`(?:\.venv/bin/)?meterdeck( [^`]*)?`", re.S)
_ANY = re.compile(r"…|\[.*\]|\b[A-Z]+\|[A-Z]+\b")
_END = re.compile(r" \\?\| | >")
_UNFINISHED = re.compile(
    r"arguments are required|one of the arguments|expected one arg|choice: '[A-Z]+'"
)


def complaint_of(written: str) -> str | None:
    """Return why a command cannot be parsed; what it leaves out is no reason.

    A command may be named without its arguments, and what is in brackets or stands
    for more is looked past.
    """
    try:
        words = shlex.split(_ANY.sub("", _END.split(written)[0]))
    except ValueError as error:
        return str(error)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            build_parser(words).parse_args(words)
        except BadInput as error:
            return None if _UNFINISHED.search(str(error)) else str(error)
        except SystemExit:  # --help, --version
            return None
    return None


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.path)
def test_a_command_in_a_sentence_is_a_command(page: Page) -> None:
    """By the grammar: its name and its options."""
    found = [text.strip() for text in _INLINE.findall(prose_of(page.path))]
    wrong = {f"meterdeck {text}": complaint_of(text) for text in found}

    assert {each: why for each, why in wrong.items() if why} == {}
