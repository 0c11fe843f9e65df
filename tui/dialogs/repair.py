"""The dialog that repairs drift: each step in words, what stays, a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.text import visible
from meterdeck.core.services.reconcile.repair_plan import (
    Choices,
    Foreign,
    Step,
    StepKind,
    plan_of,
)
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.tui import phrases
from meterdeck.tui.cause_words import step_words
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.picture import Picture
from meterdeck.tui.repair_request import RepairDrift
from meterdeck.tui.requests import Target
from meterdeck.tui.widgets.choice import Choice

_SHOWN = 5
_WIDEST = 200
_FOREIGN = (Foreign.LEAVE, Foreign.COMPENSATE, Foreign.OURS)
_FOREIGN_WORDS = ("leave it", "take it off again", "it was ours")
_LOWER_WORDS = ("raise the counter", "the counter is right")


class RepairDialog(ChangeDialog):
    """Show the plan of a repair, made from what Stripe says now.

    Args:
        found: Counters that were compared a moment ago; at least one that differs.
    """

    TITLE_TEXT = "Repair what Stripe does not have as it was used"
    VERB = "Repair"
    AUTO_FOCUS = "#reason"
    ASKS_RESOURCE = False
    BEYOND_UNDO = True
    """What is billed changes."""

    def __init__(self, picture: Picture, found: Sequence[Compared]) -> None:
        first = found[0].subject
        super().__init__(picture, first.tenant)
        self._found = found
        self._target = Target(first.tenant, first.resource)
        causes = {each.cause for one in found for each in one.finding.faults}
        self._foreign, self._lower = (
            Cause.FOREIGN in causes,
            Cause.COUNTER_LOST in causes,
        )

    @property
    def target(self) -> Target:
        return self._target

    def whom(self) -> str:
        tenants = {each.subject.tenant.id for each in self._found}
        if len(tenants) < 2:
            return super().whom()
        return phrases.counted(len(tenants), "tenant")

    def fields(self) -> Iterator[tuple[str, Widget]]:
        for number in range(_SHOWN):
            yield "" if number else "Plan", Static(classes="said", id=f"step-{number}")
        if self._foreign:
            yield "Foreign", Choice(_FOREIGN_WORDS, id="foreign")
        if self._lower:
            yield "Lost", Choice(_LOWER_WORDS, id="lower")

    def _choices(self) -> Choices:
        return Choices(
            _FOREIGN[self.chosen("foreign")] if self._foreign else Foreign.LEAVE,
            bool(self._lower and self.chosen("lower")),
        )

    def draft(self, target: Target, reason: str) -> Draft:
        plan = plan_of(self._found, self._choices())
        doing = [each for each in plan if each.kind is not StepKind.NOTHING]
        left = len(plan) - len(doing)
        self._show_steps([*doing, *(s for s in plan if s not in doing)])
        before = phrases.counted(len(self._found), "counter")
        stays = f"{left:,} left as it is" if left else ""
        if not doing:
            return Draft(None, before, "", "nothing here can be repaired by itself")
        note = "Each step is done once, and is in the audit trail."
        note = " · ".join(filter(None, (stays, note)))
        after = phrases.counted(len(doing), "change")
        return Draft(RepairDrift(target, tuple(doing), reason), before, after, note)

    def _show_steps(self, plan: Sequence[Step]) -> None:
        shown = list(plan[:_SHOWN])
        words = [_words(step, many=len(self._found) > 1) for step in shown]
        if len(plan) > _SHOWN:
            words[-1] = f"… and {len(plan) - _SHOWN + 1:,} more"
        for number in range(_SHOWN):
            text = words[number] if number < len(words) else ""
            box = self.query_one(f"#step-{number}", Static)
            box.update(Content(visible(text, _WIDEST)))
            if box.parent is not None:
                box.parent.display = bool(text)

    def what(self) -> str:
        return "Drift"


def _words(step: Step, *, many: bool) -> str:
    mark = "–" if step.kind is StepKind.NOTHING else "→"
    who = f"{step.subject.tenant.name} {step.subject.resource.label}: " if many else ""
    return f"{mark} {who}{step_words(step)}"
