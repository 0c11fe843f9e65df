"""A comparison with Stripe that the console has started: it outlives its screen."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from meterdeck.core.model.drift import Drifted, LastPass
from meterdeck.core.model.health_items import since_words
from meterdeck.core.services.reconcile.desk import Comparison
from meterdeck.tui import phrases

if TYPE_CHECKING:
    from datetime import datetime

    from meterdeck.tui.runtime import Runtime


class Comparing:
    """Runs one comparison in the engine's thread; `stop` ends it where it is."""

    def __init__(self, runtime: Runtime, *, everything: bool) -> None:
        self.comparison = Comparison(everything)
        self._seen = 0
        self._wrong: Sequence[Drifted] = ()
        self._future: Future[None] = runtime.submit(
            lambda engine: engine.drift().compare(self.comparison), drained=False
        )
        self._future.add_done_callback(self._ended)

    def _ended(self, future: Future[None]) -> None:
        if future.cancelled() or self.comparison.ended or self.comparison.problem:
            return
        error = future.exception()
        if error is not None:
            self.comparison.problem = str(error) or type(error).__name__

    def wrong(self) -> Sequence[Drifted]:
        """Return the worst of what is wrong so far.

        Costs nothing while nothing more is found: a screen asks each second.
        """
        found = self.comparison.wrong
        if found.count != self._seen:
            self._seen, self._wrong = found.count, found.rows
        return self._wrong

    def stop(self) -> None:
        """End it; what was found stays."""
        if self.comparison.running:
            self.comparison.stopped = True
            self._future.cancel()


def rows_of(comparing: Comparing | None, last: LastPass | None) -> Sequence[Drifted]:
    """Return what differs: by the console's own comparison, else by the workers'.

    What is only on its way, or meant, is left out.
    """
    if comparing is not None:
        return comparing.wrong()
    return last.rows if last is not None else ()


def source_words(
    comparing: Comparing | None, last: LastPass | None, now: datetime
) -> str:
    """Say who compared, when and how much."""
    if comparing is not None:
        return _own_words(comparing, now)
    if last is None:
        return "the workers have not compared yet"
    more = f", {last.more:,} more differ" if last.more else ""
    compared = phrases.counted(last.compared, "counter")
    ago = since_words(now - last.at)
    return f"the workers compared {compared} {ago}{more}"


def _own_words(comparing: Comparing, now: datetime) -> str:
    found = comparing.comparison
    if found.running:
        if not found.tenants:
            return "comparing …"
        return f"comparing … {found.done:,} of {found.tenants:,} tenants"
    done = found.agreed + found.moving + found.wrong.count
    compared = phrases.counted(done, "counter")
    left = f", {found.unasked:,} could not be" if found.unasked else ""
    left += f"; {found.moving:,} agree with units on their way" if found.moving else ""
    left += f"; {found.wrong.more:,} more differ" if found.wrong.more else ""
    if found.problem or found.stopped:
        how = "stopped" if found.stopped else "ended early"
        return f"{how} after {found.done:,} of {found.tenants:,} tenants"
    assert found.ended is not None
    return f"you compared {compared} {since_words(now - found.ended)}{left}"
