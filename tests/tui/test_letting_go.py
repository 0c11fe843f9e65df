"""A console that is open all day holds what is on the screen, and no more."""

import gc
from collections.abc import Iterator
from weakref import ref

from tests.tui.support import Operator, fleet_update, operating
from textual.screen import Screen

KEYS = ("O", "A", "D", "H", "L", "p", "Q", "e", "c", "F", "enter", "question_mark", "a")


async def test_nothing_stays_of_a_screen_that_is_closed() -> None:
    """Neither the screen nor a widget of it, nor the lines that a widget showed."""
    async with operating(fleet_update()) as operator:
        closed = [each for key in KEYS for each in await _opened(operator, key)]
        gc.collect()

        assert {what for what, alive in closed if alive() is not None} == set()


async def _opened(operator: Operator, key: str) -> list[tuple[str, ref[object]]]:
    """Open a screen and close it; return what there was of it."""
    await operator.press(key)
    assert len(operator.app.screen_stack) == 2, key
    there = list(_parts(operator.app.screen))
    operator.app.to_fleet()
    await operator.pilot.pause()
    return there


def _parts(screen: Screen[object]) -> Iterator[tuple[str, ref[object]]]:
    for widget in screen.walk_children(with_self=True):
        name = f"{type(widget).__name__} of {type(screen).__name__}"
        yield name, ref(widget)
        yield f"lines of {name}", ref(widget._styles_cache)  # type: ignore[attr-defined]
