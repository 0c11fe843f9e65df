"""Repairing drift: what was chosen is compared anew, then planned, then mended."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.drift import Drifted, LastPass, drifted
from meterdeck.core.model.usage import CounterId
from meterdeck.core.services.reconcile.reconciler import Result, Unasked
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.tui.actions import Action
from meterdeck.tui.repair_request import RepairDrift
from meterdeck.tui.requests import Request
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.listing import ListScreen

MOST_REPAIRED = 200
"""Counters of one plan: each is compared anew first."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """How a counter was found when it was compared anew.

    Attributes:
        at: When that was asked for.
        row: What differs; None: nothing by now.
    """

    at: datetime
    row: Drifted | None


class DriftRepairing(ListScreen[LastPass | None]):
    """Plans are made from what Stripe says now, never from what was found before.

    Attributes:
        fresh: Counters that were compared anew, by whoever is here.
    """

    class Anew(Message):
        """Counters were compared anew, for a repair or after one."""

        def __init__(
            self,
            counters: frozenset[CounterId],
            action: Action | None,
            at: datetime,
            future: Future[tuple[Result, ...]],
        ) -> None:
            self.counters = counters
            self.action = action
            self.at = at
            self.future = future
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self.fresh: dict[CounterId, Fresh] = {}

    @abstractmethod
    def chosen(self, action: Action) -> frozenset[CounterId]:
        """Return the counters that a repair is about."""

    @abstractmethod
    def show_rows(self) -> None:
        """Show what differs."""

    def renewed(self, rows: Iterable[Drifted], at: datetime | None) -> list[Drifted]:
        """Return rows as they were found last; those that agree by now are gone.

        Args:
            at: When the rows were found; None: before all that was compared anew.
        """
        found = [(row, self.fresh.get(row.counter)) for row in rows]
        newest = [
            row if fresh is None or (at is not None and fresh.at < at) else fresh.row
            for row, fresh in found
        ]
        return [row for row in newest if row is not None]

    def ask(self, action: Action) -> None:
        counters = self.chosen(action)
        if not counters:
            self.console.say("nothing that is wrong is shown", title=action.label)
        elif len(counters) > MOST_REPAIRED:
            text = f"at most {MOST_REPAIRED} counters at once: filter or mark them"
            self.console.say(text, title=action.label, severity="warning")
        else:
            self._look_anew(counters, action)

    def answered(self, request: Request) -> None:
        super().answered(request)
        if isinstance(request, RepairDrift):
            counters = frozenset(each.subject.counter for each in request.steps)
            self._look_anew(counters, None)

    def _look_anew(self, counters: frozenset[CounterId], action: Action | None) -> None:
        at = self.console.now()
        future = self.console.runtime.submit(
            lambda engine: engine.drift().compared(counters)
        )
        tell(self, future, lambda done: self.Anew(counters, action, at, done))

    def on_drift_repairing_anew(self, message: Anew) -> None:
        error = message.future.exception()
        if isinstance(error, MeterdeckError):
            self.console.say(str(error), title="repair", severity="warning")
            return
        if error is not None:
            raise error
        results = message.future.result()
        unasked = {each.counter for each in results if isinstance(each, Unasked)}
        compared = [each for each in results if isinstance(each, Compared)]
        wrong = [each for each in compared if not each.finding.agreed]
        agrees = Fresh(message.at, None)
        self.fresh |= dict.fromkeys(message.counters - unasked, agrees)
        for each in wrong:
            counter = each.subject.counter
            row = drifted(counter, each.finding)
            self.fresh[counter] = Fresh(message.at, row)
        self.show_rows()
        if message.action is not None:
            self._open_dialog(message.action, wrong, results)

    def _open_dialog(
        self, action: Action, wrong: Sequence[Compared], results: Sequence[Result]
    ) -> None:
        from meterdeck.tui.dialogs.repair import RepairDialog  # noqa: PLC0415  # rare

        picture = self.console.picture
        if not wrong:
            reasons = [each.reason for each in results if isinstance(each, Unasked)]
            text = reasons[0] if reasons else "it agrees by now: nothing to repair"
            self.console.say(text, title=action.label)
        elif picture is not None and self.on_top:
            dialog = RepairDialog(picture, wrong)
            self.app.push_screen(dialog, self.console.perform)
