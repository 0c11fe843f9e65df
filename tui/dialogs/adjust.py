"""Dialogs that change a counter: adjust and reset."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget
from textual.widgets import Input

from meterdeck.core.errors import BadInput
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.usage import (
    Broken,
    ResourceKind,
    ResourceName,
    percent_of,
)
from meterdeck.core.services.kinds import check_bill
from meterdeck.tui import phrases
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.requests import Adjust, Target
from meterdeck.tui.widgets.choice import Choice

_KINDS = (AdjustKind.ADD, AdjustKind.SUBTRACT, AdjustKind.SET)
_BILLS = (Bill.QUOTA_ONLY, Bill.QUOTA_AND_BILL)
_NOTES = {
    Bill.QUOTA_ONLY: "Only the quota changes; what Stripe is told does not.",
    Bill.QUOTA_AND_BILL: "The bill follows: the difference goes to Stripe as well.",
}

_OF_KIND = {
    ResourceKind.GAUGE: " A new reading replaces the level.",
    ResourceKind.UNIQUE: " New members are added to what you set.",
}


class AdjustDialog(ChangeDialog):
    """Add to, subtract from or set a counter."""

    TITLE_TEXT = "Adjust a counter"
    VERB = "Adjust"
    AUTO_FOCUS = "#amount"

    def fields(self) -> Iterator[tuple[str, Widget]]:
        yield "Change", Choice([kind.value for kind in _KINDS], id="kind")
        yield "Amount", Input(placeholder="units", id="amount", compact=True)
        yield "Bill", Choice(["quota only", "quota and bill"], id="bill")

    @property
    def beyond_undo(self) -> bool:
        return _BILLS[self.chosen("bill")] is Bill.QUOTA_AND_BILL

    def _adjustment(self, target: Target, reason: str) -> Adjustment:
        kind = self._kind()
        text = self.text("amount") if kind is not AdjustKind.RESET else "0"
        if not text:
            raise BadInput("how many? write a quantity")
        return Adjustment(
            tenant=self.tenant.id,
            resource=ResourceName(target.resource.name),
            kind=kind,
            amount=parse_quantity(text, target.resource.scale),
            expected=self._expected(target, kind),
            bill=_BILLS[self.chosen("bill")],
            reason=reason,
        )

    def _kind(self) -> AdjustKind:
        return _KINDS[self.chosen("kind")]

    def _expected(self, target: Target, kind: AdjustKind) -> int | None:
        """Setting a value is a decision on the one that was seen; adding is not."""
        if kind in (AdjustKind.ADD, AdjustKind.SUBTRACT):
            return None
        used = self.used(target)
        return used if isinstance(used, int) else 0

    def draft(self, target: Target, reason: str) -> Draft:
        used = self.used(target)
        if isinstance(used, Broken):
            raise BadInput(
                f"the counter holds {used.holds}, not a whole number;"
                " meterdeck does not overwrite it"
            )
        now = used or 0
        before = self._words(target, now)
        try:
            adjustment = self._adjustment(target, reason)
            check_bill(adjustment.bill, target.resource)
        except BadInput as problem:
            return Draft(None, before, "", str(problem))
        then = adjustment.result(now)
        after = self._words(target, then)
        if then < 0:
            return Draft(None, before, after, "a counter cannot go below 0")
        if then == now:
            return Draft(None, before, after, "nothing would change")
        note = _NOTES[adjustment.bill] + _OF_KIND.get(target.resource.kind, "")
        return Draft(Adjust(target, adjustment), before, after, note)

    def _words(self, target: Target, used: int) -> str:
        fleet = self.picture.fleet
        row = fleet.row_of(self.tenant.id)
        text = phrases.used_words(used, target.resource)
        if row is None:
            return text
        units = fleet.limit(row, fleet.column_of(target.resource.name)).units
        percent = percent_of(used, units)
        return text if percent is None else f"{text} ({percent} %)"


class ResetDialog(AdjustDialog):
    """Set a counter back to 0."""

    TITLE_TEXT = "Reset a counter to 0"
    VERB = "Reset"
    AUTO_FOCUS = "#reason"

    def fields(self) -> Iterator[tuple[str, Widget]]:
        yield "Bill", Choice(["quota only", "quota and bill"], id="bill")

    @property
    def beyond_undo(self) -> bool:
        return True  # everything that was used in the period goes at once

    def _kind(self) -> AdjustKind:
        return AdjustKind.RESET
