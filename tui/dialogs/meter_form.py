"""The form that creates a meter."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.model.catalogue import (
    DEFAULT_CUSTOMER_KEY,
    DEFAULT_VALUE_KEY,
    Account,
)
from meterdeck.core.model.catalogue_draft import MeterDraft
from meterdeck.core.model.prices import Formula
from meterdeck.core.model.text import visible
from meterdeck.core.settings.catalogue_draft import drafted_meter
from meterdeck.tui.catalogue_requests import CreateMeter
from meterdeck.tui.dialogs.guided import Field, GuidedForm, Outline
from meterdeck.tui.picture import Picture
from meterdeck.tui.price_glance import FORMULAS
from meterdeck.tui.widgets.choice import Choice

_FORMULAS = tuple(Formula)
_WINDOWS = ("", "hour", "day")


class MeterForm(GuidedForm):
    """Event name, what is made of the events, where in them things stand.

    Args:
        account: What exists, inactive too: an event name is taken for good.
    """

    TITLE_TEXT = "Create a meter"
    STEPS: ClassVar[Sequence[str]] = ("What it counts",)

    def __init__(self, picture: Picture, account: Account) -> None:
        super().__init__(picture)
        self._account = account

    def fields(self, step: int) -> Iterator[Field]:
        yield "Events", _input("event_name", "their name, such as api_requests", 100)
        yield "Shown as", _input("display_name", "the event name", 250)
        yield "Counts", Choice([formula.value for formula in _FORMULAS], id="formula")
        yield "Customer", _input("customer_key", DEFAULT_CUSTOMER_KEY, 100)
        yield "Value", _input("value_key", DEFAULT_VALUE_KEY, 100)
        yield "Window", Choice(["every event", "an hour", "a day"], id="window")

    def preview(self) -> Widget:
        return Static(id="example", markup=False)

    @property
    def draft(self) -> MeterDraft:
        """What the fields say."""
        return MeterDraft(
            self.text("event_name"),
            self.text("display_name"),
            _FORMULAS[self.chosen("formula")],
            self.text("customer_key"),
            self.text("value_key"),
            _WINDOWS[self.chosen("window")],
        )

    def outline(self) -> Outline:
        declared = self.picture.context.catalogue
        drafted = drafted_meter(self.draft, declared, self._account)
        spec = drafted.spec
        facts = [
            ("events", spec.event_name),
            ("shown as", spec.display_name),
            ("counts", FORMULAS[spec.formula]),
            ("customer", f"payload.{spec.customer_key}"),
        ]
        if spec.formula is not Formula.COUNT:
            facts.append(("value", f"payload.{spec.value_key}"))
        if spec.event_time_window:
            facts.append(("window", f"the last value of each {spec.event_time_window}"))
        facts.append(("for good", "Stripe keeps the event name and deletes no meter"))
        return Outline(CreateMeter(spec, self.operation_id), tuple(facts), drafted)

    def draw(self, outline: Outline) -> None:
        draft = self.draft
        payload = {draft.customer_key or DEFAULT_CUSTOMER_KEY: "cus_…"}
        if draft.formula is not Formula.COUNT:
            payload[draft.value_key or DEFAULT_VALUE_KEY] = "5"
        event = {"event_name": draft.event_name or "…", "payload": payload}
        text = json.dumps(event, indent=2, ensure_ascii=False)
        shown = "\n".join(visible(line, 120) for line in text.split("\n"))
        self.query_one("#example", Static).update(
            Content.assemble(
                ("An event that it counts\n\n", "bold $md-accent"),
                (shown, "$md-text"),
                (f"\n\nA period is {FORMULAS[draft.formula]}.", "$md-muted"),
            )
        )


def _input(name: str, placeholder: str, longest: int) -> Input:
    return Input(placeholder=placeholder, id=name, compact=True, max_length=longest)
