"""What Textual would keep of screens that are closed.

Somebody who goes from list to list all day opens thousands of screens, and each takes
half a megabyte. Both are Textual's, up to 8.2 at least, and mended only where they are
found: https://github.com/Textualize/textual/issues/6665 for the first.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from contextvars import Context
from functools import lru_cache, partial
from typing import Any

from textual import timer
from textual._styles_cache import StylesCache

_COLOURS = 1024
"""Pairs of colours that are remembered, as many as Textual does."""
_NOTHING = Context()
_LATE_S = 0.0005
"""By which a loop is late, as Textual reckons."""


def let_go() -> None:
    """Have Textual keep nothing of a closed screen; once or more often."""
    _forget_lines()
    vars(timer)["sleep"] = _sleep


def _forget_lines() -> None:
    """Remember colours by the colours alone.

    Textual remembers them also by the cache of the lines of the widget that asked, and
    so keeps the lines of the last thousand widgets: some thirty megabytes.
    """
    cached: Any = vars(StylesCache).get("get_inner_outer")
    if not hasattr(cached, "cache_info"):
        return  # mended already: here, or in Textual
    by_colours = lru_cache(_COLOURS)(partial(cached.__wrapped__, StylesCache))

    def get_inner_outer(_: StylesCache, *colours: Any) -> Any:
        return by_colours(*colours)

    StylesCache.get_inner_outer = get_inner_outer  # type: ignore[method-assign,assignment]


async def _sleep(seconds: float) -> None:
    """Wait as a timer does, with a handle that knows nothing of its screen.

    The loop keeps the handle of a timer that was stopped until it would have been due,
    two minutes on some screens, and with it the context that it was made in.
    """
    if seconds <= _LATE_S:
        return
    loop = asyncio.get_running_loop()
    due: Future[None] = loop.create_future()
    handle = loop.call_later(seconds - _LATE_S, _wake, due, context=_NOTHING)
    try:
        await due
    finally:
        handle.cancel()


def _wake(due: Future[None]) -> None:
    if not due.done():
        due.set_result(None)
