"""The dialog that sends a test event."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget
from textual.widgets import Input

from meterdeck.core.errors import BadInput
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Broken
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.requests import FireEvent, Target
from meterdeck.tui.widgets.choice import Choice


class FireDialog(ChangeDialog):
    """Send a meter event that says it is a test by its identifier."""

    TITLE_TEXT = "Send a test event"
    VERB = "Send"
    AUTO_FOCUS = "#quantity"
    ASKS_REASON = False

    def fields(self) -> Iterator[tuple[str, Widget]]:
        yield "Quantity", Input("1", placeholder="units", id="quantity", compact=True)
        yield "Counter", Choice(["leave it", "add it there too"], id="count")

    def draft(self, target: Target, reason: str) -> Draft:
        resource, count = target.resource, self.chosen("count") == 1
        if not resource.meter:
            raise BadInput(f"{visible(resource.label, 24)} has no meter in Stripe")
        if not self.tenant.customer:
            raise BadInput("this tenant has no customer in Stripe to bill")
        text = self.text("quantity")
        quantity = parse_quantity(text, resource.scale) if text else 0
        if quantity <= 0:
            raise BadInput("how many? write a quantity above 0")
        used = self.used(target)
        if count and isinstance(used, Broken):
            raise BadInput(f"the counter holds {used.holds}; leave it")
        now = used if isinstance(used, int) else 0
        meter = visible(resource.meter, 40)
        note = (
            f"Stripe's meter {meter} gets {target.amount(quantity)}."
            " It has no undo; x in the list of events cancels it."
        )
        request = FireEvent(target, quantity, count)
        then = now + quantity if count else now
        return Draft(request, target.amount(now), target.amount(then), note)
