"""Every dialog that changes something: what it shows before, and that Enter never does.

They are found in the code; one that is added has to say here what it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest
from tests.tui.alert_pictures import alert
from tests.tui.catalogue_pictures import ACCOUNT, METERS, PRICES
from tests.tui.drift_pictures import missing
from tests.tui.ledger_pictures import ACCEPTED, DEAD, LOST, story
from tests.tui.pictures import believable, context
from tests.tui.request_pictures import resetting, waiting
from tests.tui.support import Operator, fleet_update, operating
from tests.tui.test_undo import TAKEN_BACK
from textual.widgets import Button, Input

from meterdeck.core.model.catalogue_sight import MeterSight, PriceSight
from meterdeck.core.model.changes import Bill
from meterdeck.core.model.context import Mode
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.event_changes import EventChange, EventPlan
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.fault_knobs import knob_of
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.request_sight import sight_of
from meterdeck.tui import dialogs
from meterdeck.tui.dialogs import enter_guard
from meterdeck.tui.dialogs.adjust import AdjustDialog, ResetDialog
from meterdeck.tui.dialogs.alert import AcknowledgeDialog, SnoozeDialog
from meterdeck.tui.dialogs.arm import ArmDialog
from meterdeck.tui.dialogs.bulk_override import BulkOverrideDialog
from meterdeck.tui.dialogs.decision import decision_dialog
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.dialogs.event import EventDialog
from meterdeck.tui.dialogs.fault_value import FaultValueDialog
from meterdeck.tui.dialogs.fire import FireDialog
from meterdeck.tui.dialogs.meter_form import MeterForm
from meterdeck.tui.dialogs.outcome import OutcomeDialog
from meterdeck.tui.dialogs.override import OverrideDialog
from meterdeck.tui.dialogs.presets import PresetsDialog
from meterdeck.tui.dialogs.price_form import PriceForm
from meterdeck.tui.dialogs.repair import RepairDialog
from meterdeck.tui.dialogs.replay_all import ReplayAllDialog
from meterdeck.tui.dialogs.switch import SwitchDialog
from meterdeck.tui.dialogs.undo import UndoDialog
from meterdeck.tui.picture import Picture

LIVE = context(Mode.LIVE, name="production", arm_minutes=15)
WHO, OTHER, _, RAISED = believable()[:4]
CHANGES_NOTHING = {
    "BarredDialog", "ColumnsDialog", "GroupDialog", "SortDialog", "StatesDialog",
    "CopyMenu", "ExportMenu", "VerifyDialog", "ViewsDialog", "WhatIfDialog",
}  # fmt: skip
"""They choose what is shown, copied or written to a file."""
SHARED = {
    "ChangeDialog",
    "DecisionDialog",
    "ConfirmDialog",
    "GuidedForm",
    "AlertDialog",
    "Menu",
}


@dataclass(frozen=True)
class Case:
    """A dialog about a change, ready to be confirmed.

    Attributes:
        line: Before and after, as a line of the screen has them.
        follows: The consequence, as the screen says it.
        typed: A live context's name is typed for it.
        steps: How often ctrl+n leads on to its last step.
    """

    make: Callable[[Picture], Dialog[Any]]
    line: str
    follows: str
    fields: tuple[tuple[str, str], ...] = ()
    typed: bool = False
    steps: int = 0


def planned(change: EventChange, of: LoggedEvent, state: EventState) -> EventPlan:
    """Return what the engine says of a change of an event."""
    told = story(of, state if state is not EventState.ACCEPTED else None)
    return EventPlan(change, told.event, told.windows, told.now)


def event_case(
    change: EventChange, of: LoggedEvent, state: EventState, line: str, follows: str
) -> Case:
    """Return the case of something that is done about a meter event."""
    plan = planned(change, of, state)
    why = (("reason", "why"),)
    return Case(lambda p: EventDialog(p, OTHER, plan), line, follows, why, typed=True)


def decision_case(action: str, line: str, follows: str) -> Case:
    """Return the case of what is decided about somebody's request."""

    def make(picture: Picture) -> Dialog[Any]:
        own = picture.context.redis.username if action == "withdraw" else "cora"
        record = waiting(own, "4f3c2a", resetting(WHO.id))
        (seen,) = sight_of("ana", (), (record,), ())
        return decision_dialog(action, picture, seen, record)

    return Case(make, line, follows, typed=action == "approve")


REASON = (("reason", "why"),)
ON_A_BILL = replace(
    TAKEN_BACK, entry=replace(TAKEN_BACK.entry, bill=Bill.QUOTA_AND_BILL)
)
CASES = {
    "approve": decision_case("approve", "104,000  →  0", "the trail names who asked"),
    "reject": decision_case("reject", "waiting  →  rejected", "Nothing is changed"),
    "withdraw": decision_case(
        "withdraw", "waiting  →  withdrawn", "Nothing is changed"
    ),
    "adjust": Case(
        lambda p: AdjustDialog(p, WHO), "104,000 (104 %)  →  106,500 (106 %)",
        "what Stripe is told does not", (("amount", "2500"), *REASON),
    ),
    "reset": Case(
        lambda p: ResetDialog(p, WHO), "104,000 (104 %)  →  0 (0 %)",
        "Only the quota changes", REASON, typed=True,
    ),
    "override": Case(
        lambda p: OverrideDialog(p, WHO),
        "100,000 (plan)  →  150,000 until 2026-11-29 14:02",
        "At its end 100,000 (plan pro): refused at once, 4,000 over.",
        (("limit", "150000"), *REASON),
    ),
    "override removed": Case(
        lambda p: OverrideDialog(p, RAISED, removes=True),
        "120,000 (override)  →  100,000 (plan)", "The plan's limit holds again: ",
        REASON,
    ),
    "bulk": Case(
        lambda p: BulkOverrideDialog(p, [WHO, OTHER]), "2 limits  →  2 raised",
        "then each plan's limit again", (("limit", "+20%"), *REASON), typed=True,
    ),
    "undo": Case(
        lambda p: UndoDialog(p, WHO, TAKEN_BACK), "104,000  →  93,000",
        "What was used since stays", REASON,
    ),
    "undo on a bill": Case(
        lambda p: UndoDialog(p, WHO, ON_A_BILL), "104,000  →  93,000",
        "The bill follows", REASON, typed=True,
    ),
    "fire": Case(
        lambda p: FireDialog(p, WHO), "104,000  →  104,000",
        "Stripe's meter api_requests gets 1.",
    ),
    "replay": event_case(
        EventChange.REPLAY, DEAD, EventState.DEAD, "dead  →  sent again",
        "go out again with the next flush",
    ),
    "cancel": event_case(
        EventChange.CANCEL, ACCEPTED, EventState.ACCEPTED, "accepted  →  not billed",
        "Stripe takes it out of its totals",
    ),
    "compensate": event_case(
        EventChange.COMPENSATE, ACCEPTED, EventState.ACCEPTED,
        "accepted  →  taken back", "A negative event of as many units",
    ),
    "resolve": event_case(
        EventChange.COUNTED, LOST, EventState.AMBIGUOUS, "ambiguous  →  accepted",
        "Its units are taken for billed",
    ),
    "replay all": Case(
        lambda p: ReplayAllDialog(
            p, [planned(EventChange.REPLAY, DEAD, EventState.DEAD)]
        ),
        "1 letter  →  sent again", "go out again with the next", REASON, typed=True,
    ),
    "repair": Case(
        lambda p: RepairDialog(p, [missing(WHO, 40)]), "1 counter  →  1 change",
        "40 go out again", REASON, typed=True,
    ),
    "acknowledge": Case(
        lambda p: AcknowledgeDialog(p, alert(5, WHO.id)),
        "open  →  acknowledged by you", "It leaves the line on every screen",
    ),
    "snooze": Case(
        lambda p: SnoozeDialog(p, alert(5, WHO.id)),
        "open  →  quiet until 2026-11-22 16:02 UTC", "open again if it still holds",
    ),
    "meter ended": Case(
        lambda p: SwitchDialog(p, MeterSight(METERS[0])), "active  →  inactive",
        "Stripe refuses every event named api_requests",
    ),
    "price sold again": Case(
        lambda p: SwitchDialog(p, PriceSight(PRICES[-1], None, METERS[0])),
        "archived  →  for sale", "new subscriptions can have it again",
    ),
    "meter": Case(
        lambda p: MeterForm(p, ACCOUNT), "not there  →  created", "exports_2027",
        (("event_name", "exports_2027"),), typed=True, steps=1,
    ),
    "price": Case(
        lambda p: PriceForm(p, ACCOUNT), "not there  →  created",
        "another amount is another price",
        (("lookup_key", "calls_2027"), ("amount", "0.01 USD")), typed=True, steps=2,
    ),
    "fault": Case(
        lambda p: FaultValueDialog(knob_of("lost"), OFF), "lost reply  off  →  5 %",
        "from its next request", (("value", "5%"),),
    ),
    "preset": Case(
        lambda p: PresetsDialog(OFF), "429 rate limit off → 5 %",
        "What it does not name goes off",
    ),
    "arm": Case(ArmDialog, "Allow changes for 15 minutes", "! ends it", typed=True),
    "outcome": Case(
        lambda p: OutcomeDialog("acme", "sent and the answer was lost", "Ask again"),
        "the answer was lost", "Ask again",
    ),
}  # fmt: skip


def concrete() -> set[str]:
    """Return the names of all dialogs that can be opened."""
    found = set()
    for module in walk_packages(dialogs.__path__, f"{dialogs.__name__}."):
        for each in vars(import_module(module.name)).values():
            if isinstance(each, type) and issubclass(each, Dialog):
                found.add(each.__name__)
    return found - SHARED - {"Dialog"}


def unwrapped(text: str) -> str:
    """Return what stands in the frame of a dialog, as one line."""
    inside = (line.split("│")[1] for line in text.split("\n") if line.count("│") == 2)
    return " ".join(" ".join(inside).split())


async def fill(operator: Operator, dialog: Dialog[Any], case: Case) -> None:
    """Write into the fields, and go on to where it can be confirmed."""
    for button in dialog.query(Button):
        button.active_effect_duration = 0  # while it lights up it takes no Enter
    for name, text in case.fields:
        dialog.query_one(f"#{name}", Input).value = text
    await operator.press(*["ctrl+n"] * case.steps)
    asked = [each for each in dialog.query("#typed").results(Input) if each.region]
    assert bool(asked) is case.typed
    for each in asked:
        each.value = LIVE.name
    await operator.until(
        lambda: not dialog.query("Button").last(Button).disabled, "a ready dialog"
    )


async def hold_enter(operator: Operator, dialog: Dialog[Any]) -> None:
    """Hold Enter in the last field, if there is one; it stops at Cancel."""
    cancel = dialog.query(Button).first()
    chain = dialog.focus_chain
    last = chain[max(chain.index(cancel) - 1, 0)]
    last.focus()
    await operator.press(*["enter"] * 4)
    assert dialog.focused is cancel, dialog


async def test_every_dialog_shows_the_effect_and_enter_never_confirms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a live context on 80×24: before and after, what follows, and Cancel.

    Enter that is held stops at Cancel, and pressed anew it cancels.
    """
    shown = set()
    async with operating(fleet_update(), of=LIVE, size=(80, 24)) as operator:
        picture = operator.app.picture
        assert picture is not None
        picture.arming.arm()
        for name, case in CASES.items():
            answers: list[object] = []
            dialog = case.make(picture)
            shown.add(type(dialog).__name__)
            monkeypatch.setattr(enter_guard, "REPEAT_S", 60.0)
            operator.app.push_screen(dialog, answers.append)
            await operator.pilot.pause()
            await fill(operator, dialog, case)
            text = await operator.sees(case.line)
            assert case.follows in unwrapped(text), f"{name}:\n{text}"
            assert "Cancel" in text or "Close" in text, f"{name}:\n{text}"

            await hold_enter(operator, dialog)
            assert answers == [], name
            monkeypatch.setattr(enter_guard, "REPEAT_S", 0.0)
            await operator.press("enter")
            await operator.until(partial(bool, answers), name)
            assert answers in ([None], [False]), name

    assert shown == concrete() - CHANGES_NOTHING
