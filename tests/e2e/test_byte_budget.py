"""What the console writes to the terminal: the same on a fast and on a busy machine.

Counted by ticks of the console's own clock and by moves of the bars, never by this
machine's time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.support.moving_bars import BARS, MovingBars
from tests.support.running_sandbox import RunningSandbox, running_sandbox
from tests.support.terminal import Terminal

IDLE_BYTES = 30
"""A second's clock: 11 to 16, and now and then a latency."""
MOVING_BYTES = 1_500
"""A second in which twenty bars move, on average."""
STEP_BYTES = 2_200
"""The cursor a line further, in view or not, and the detail that follows it."""
TABLE_BYTES = 10_000
"""Another table and its detail: a page further, the end, another order."""
SCREEN_BYTES = 14_000
"""Another screen: what a slow link carries in its first flight."""
SCREEN_LEAST = 2_000
"""What no key sends that opens nothing."""
SCREENS = "OADHLpc"
"""Keys that open from the fleet what stands still while nothing happens."""
_TICKS, _WINDOWS = 3, 25
_MOVES = 8
_CLOCK = re.compile(r"UTC \d\d:\d\d:\d\d")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox whose counters stand still."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def console(sandbox: RunningSandbox) -> Iterator[Terminal]:
    """The console on it, showing counters."""
    with Terminal(sandbox.command(), env=sandbox.environment) as terminal:
        terminal.wait_for(lambda shown: "%" in shown and _clock(shown) != "")
        yield terminal


def test_an_idle_console_sends_its_clock_and_nothing_else(console: Terminal) -> None:
    """While nothing changes, a second costs the two digits of the clock.

    A busy machine may delay a server's answer so much that its new latency is shown;
    the console has to come to rest, not to be at rest at a certain moment.
    """
    written = _at_rest(console)

    assert len(written) <= _TICKS * IDLE_BYTES, written


def test_twenty_moving_bars_cost_little(
    console: Terminal, sandbox: RunningSandbox
) -> None:
    """A second in which twenty visible bars move stays within its budget."""
    _at_rest(console)
    with MovingBars(sandbox.redis_url, console.text()) as bars:
        _shown(console, bars)
        before, seconds = len(console.received), 0
        for _ in range(_MOVES):
            bars.step()
            seconds += _shown(console, bars)
        written = len(console.received) - before

    assert written <= max(_MOVES, seconds) * MOVING_BYTES


@pytest.mark.parametrize(
    ("keys", "at_most"),
    [
        (("\x1b[B",) * 8, STEP_BYTES),
        (("\x06", "\x02", "G", "g", "N", "W"), TABLE_BYTES),
        (("e", "\x1b", "\r", "\x1b"), SCREEN_BYTES),
        (("?\x1b",), 2 * SCREEN_BYTES),
    ],
    ids=["step", "table", "screen", "dialog"],
)
def test_a_key_costs_what_it_changes(
    console: Terminal, keys: tuple[str, ...], at_most: int
) -> None:
    """Its frame and all that follows it stay within the key's budget."""
    costs = []
    _at_rest(console)
    if at_most == STEP_BYTES:  # the window's edge is among the steps
        console.send(keys[0] * 22)
        _painted(console)
    for key in keys:
        before = len(console.received)
        console.send(key)
        _ticks(console, 2)
        costs.append(len(console.received) - before)

    assert max(costs) <= at_most, costs


def test_every_screen_opens_within_one_flight_and_then_sends_its_clock(
    console: Terminal,
) -> None:
    """Another screen is painted once, and comes to rest: nobody waits for its timers.

    Each is left by the key that goes back, so that the next is opened from the fleet.
    """
    for key in SCREENS:
        before = len(console.received)
        console.send(key)
        _ticks(console, 1)
        opened = len(console.received) - before
        idle = _quietest(console)
        console.send("\x1b")
        console.wait_for("TENANT · ")
        _painted(console)

        assert SCREEN_LEAST <= opened <= SCREEN_BYTES, key
        assert len(idle) <= IDLE_BYTES, (key, idle)


def _painted(console: Terminal) -> None:
    """Wait until a frame has come to its end: nothing is sent for five looks."""
    lengths: list[int] = []

    def ended(_: str) -> bool:
        lengths.append(len(console.received))
        return lengths.count(lengths[-1]) >= 5

    console.wait_for(ended)


def _quietest(console: Terminal) -> bytes:
    """Return what is sent in a second in which no answer comes, or the quietest."""
    seconds: list[bytes] = []
    while len(seconds) < _WINDOWS and (not seconds or len(seconds[-1]) > IDLE_BYTES):
        before = len(console.received)
        _ticks(console, 1)
        seconds.append(bytes(console.received[before:]))
    return min(seconds, key=len)


def _at_rest(console: Terminal) -> bytes:
    """Wait for three seconds in which only the clock is sent; return what was."""
    written = b""
    for _ in range(_WINDOWS):
        before = len(console.received)
        _ticks(console, _TICKS)
        written = bytes(console.received[before:])
        if len(written) <= _TICKS * IDLE_BYTES:
            break
    return written


def _shown(console: Terminal, bars: MovingBars) -> int:
    """Wait until every bar shows where it is; return the clock's ticks until then."""
    share = re.compile(rf"(?<!\d){bars.percent}%")
    seen = {_clock(console.text())}

    def arrived(shown: str) -> bool:
        seen.add(_clock(shown))
        return len(share.findall(shown)) >= BARS

    console.wait_for(arrived)
    return len(seen) - 1


def _ticks(console: Terminal, count: int) -> None:
    """Wait until the console's clock has moved `count` times."""
    seen = {_clock(console.text())}

    def passed(shown: str) -> bool:
        seen.add(_clock(shown))
        return len(seen) > count

    console.wait_for(passed)


def _clock(shown: str) -> str:
    found = _CLOCK.search(shown)
    return found.group() if found else ""
