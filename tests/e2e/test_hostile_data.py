"""Names and values from outside, on a real terminal."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.support.hostile import TEXTS, acts_on_terminals, fill
from tests.support.stage import stage
from tests.support.terminal import KEYS, Terminal
from tests.tui.test_snapshots import WAYS

from meterdeck.tui.actions import Area

SHOWN = [
    "␛[13;37yE␛[31mEVIL␛[2J", "␛]52;c;RVZJTA==␇EVIL␇", "⟨009B⟩31mEVIL", "␛]8;;https",
    "⟨202E⟩EVIL⟨2066⟩", "␍␊␈␋EVIL", "[red]EVIL[/] [@click=app.quit]", "=cmd|",
    "東京測量", "raw⟨DCFF⟩", "'abc'", "a list", "-5",
]  # fmt: skip
SAID = {
    Area.FLEET: "TENANT", Area.TENANT: "Audit trail", Area.EVENTS: "space pause",
    Area.EVENT: "Sent as", Area.OVERRIDES: "Overrides", Area.AUDIT: "Audit",
    Area.HEALTH: "Eviction", Area.DRIFT: "Drift", Area.ALERTS: "Alerts",
    Area.HANDOFF: "Shift handoff", Area.REQUESTS: "Requests", Area.PULSE: "nearest",
}  # fmt: skip
"""What is on each screen, beside what others have written."""
DIALOGS = {"a": "Adjust a counter", "o": "Override", "u": "Undo", "?": "Explain this"}
OURS_ALONE = {SAID[Area.HEALTH], SAID[Area.DRIFT]}
"""Workers and what they compared are a Stripe's, too."""
NOT_HERE = {Area.FAULTS, Area.CATALOGUE}
"""Without a Stripe these have nothing of others to show."""


def _all_shown(screen: str) -> bool:
    return all(part in screen for part in SHOWN)


def _shows(said: str, screen: str) -> bool:
    """Tell whether a screen is there, with others' words below its first lines."""
    below = screen.split("\n", 3)[3]
    return said in below and ("EVIL" in below or said in OURS_ALONE)


def _go(console: Terminal, keys: tuple[str, ...]) -> None:
    named = {"question_mark": "?"} | KEYS
    console.send("".join(named.get(key, key) for key in keys))


def test_whatever_stands_in_redis_arrives_at_the_terminal_as_text_alone(
    tmp_path: Path,
) -> None:
    """Each screen, found in the code, and dialogs: no byte acts that is not ours."""
    with stage(tmp_path) as here:
        fill(here.server.url)
        for name in ("東京測量".encode(), b"x" * 64, b"raw\xff"):
            here.redis.set(here.counter(name), 100)
        here.redis.set(here.counter("letters"), "abc")
        here.redis.rpush(here.counter("listed"), "1")
        here.redis.set(here.counter("negative"), -5)
        size = {"columns": 160, "rows": 50}
        with Terminal(
            here.command(), **size, env=here.environment, cwd=tmp_path
        ) as console:
            console.wait_for(_all_shown)
            assert set(SAID) == set(WAYS) - NOT_HERE
            for area, said in SAID.items():
                _go(console, WAYS[area])
                console.wait_for(partial(_shows, said))
                if area is Area.EVENT:
                    console.send(KEYS["escape"])
                    console.wait_for(SAID[Area.EVENTS])
                console.send(KEYS["escape"])
                console.wait_for(_all_shown)
            for key, said in DIALOGS.items():
                console.send(key)
                console.wait_for(said)
                console.send(KEYS["escape"])
                console.wait_for(_all_shown)
            console.send("q")
            assert console.wait_end() == 0
            assert acts_on_terminals(bytes(console.received), screen=True) == set()
        [handoff] = tmp_path.glob("*-handoff-*.md")
        assert acts_on_terminals(handoff.read_bytes()) == set()


def test_the_texts_are_seen_where_they_come_through() -> None:
    """Each of them by itself, and not the sequences of a program that paints."""
    ours = b"\x1b[?1049h\x1b]0;title\x07\x1b[2;3H\x1b[38;2;1;2;3mx\x1b[0m\x1b(B\r\n"
    for text in TEXTS:
        plain = text.isprintable()
        for screen in (False, True):
            data = (ours if screen else b"") + text.encode()
            assert bool(acts_on_terminals(data, screen=screen)) is not plain, text
    assert acts_on_terminals(ours, screen=True) == set()


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
