"""Names and values from outside, on a real terminal."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.support.stage import stage
from tests.support.terminal import KEYS

NAMES = [
    "[bold red]x[/]",
    "[@click=app.quit]quit[/]",
    "[/nope]",
    "a\x1b]52;c;ZXZpbA==\x07b",
    "a\x1b[2Jb",
    "a\x9b31mb",
    "rtl\u202eevil",
    "東京測量",
    "x" * 64,
]
SHOWN = [
    "[bold red]x[/]", "[@click=app.quit]", "[/nope]", "␛]52", "␛[2J", "⟨009B⟩31m",
    "⟨202E⟩", "東京測量", "xxxxxxxx", "'abc'", "a list", "-5",
]  # fmt: skip


def _changed(comes: str, goes: str, screen: str) -> bool:
    return comes in screen and goes not in screen


def _all_shown(screen: str) -> bool:
    return all(part in screen for part in SHOWN)


def test_hostile_names_and_values_are_shown_as_they_are(tmp_path: Path) -> None:
    """Every name is on the screen as text, no sequence of theirs at the terminal."""
    with stage(tmp_path) as here:
        for number, name in enumerate(NAMES):
            here.redis.set(here.counter(name), 100 + number)
        here.redis.set(here.counter(b"raw\xff"), 50)
        here.redis.set(here.counter("letters"), "abc")
        here.redis.rpush(here.counter("listed"), "1")
        here.redis.set(here.counter("negative"), -5)
        with here.console(columns=160, rows=50) as console:
            shown = console.wait_for(_all_shown)
            assert "raw⟨DCFF⟩" in shown
            for keys, comes, goes in (
                ("e", "space pause", "TENANT"),
                (KEYS["escape"], "TENANT", "space pause"),
                (KEYS["enter"], "Audit trail", "TENANT"),
                (KEYS["escape"], "TENANT", "Audit trail"),
            ):
                console.send(keys)
                console.wait_for(partial(_changed, comes, goes))
            console.send("?")
            console.wait_for("Explain this screen")
            console.send(KEYS["escape"])
            console.wait_for(partial(_changed, "TENANT", "Explain this screen"))
            console.wait_for(_all_shown)
            raw = bytes(console.received)
            assert b"\x1b]52" not in raw
            assert b"a\x1b[2Jb" not in raw
            assert "\x9b31m".encode() not in raw
            assert "\u202e".encode() not in raw
            console.send("q")
            assert console.wait_end() == 0


def test_a_broken_counter_is_not_overwritten(tmp_path: Path) -> None:
    """Resetting a counter that holds 'abc' is refused with a sentence."""
    with stage(tmp_path) as here:
        key = here.counter("letters")
        here.redis.set(key, "abc")
        with here.console() as console:
            console.wait_for("'abc'")

            console.send("r")
            console.wait_for("Reset a counter")
            console.send("mend it")
            console.wait_for("not a whole number")
            console.send(KEYS["ctrl+s"] + KEYS["escape"])
            console.wait_for(lambda s: "Reset a counter" not in s)

        assert here.redis.get(key) == b"abc"
        assert here.redis.exists("meterdeck:audit:letters") == 0
