"""The dialogs that decide a request that waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.change_requests import Verdict
from meterdeck.core.model.changes import Actor, Adjustment
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.request_answers import Pending, RequestState
from meterdeck.core.model.request_sight import SeenRequest, wish_of
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceName, Tenant, TenantId
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import Sold, Target, new_operation_id

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

_ENDS = {
    Verdict.APPROVE: RequestState.DONE,
    Verdict.REJECT: RequestState.REJECTED,
    Verdict.WITHDRAW: RequestState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Decide:
    """Say something of a request that waits."""

    target: Sold
    record: Pending
    verdict: Verdict
    reason: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        answer = await engine.requests.decide(
            self.record, self.verdict, self.reason, self.operation_id
        )
        if answer.state is not _ENDS[self.verdict]:
            raise Refused(answer.says)
        return answer.says


class DecisionDialog(ChangeDialog):
    """Names the request, and takes a few words for who asked."""

    ASKS_RESOURCE = False
    ASKS_REASON = False
    AUTO_FOCUS = "#remark"
    VERDICT: ClassVar[Verdict]
    NOTE: ClassVar[str]

    def __init__(self, picture: Picture, seen: SeenRequest, record: Pending) -> None:
        super().__init__(picture, Tenant(TenantId(seen.tenant), seen.tenant))
        self._request, self._record = seen, record

    @property
    def target(self) -> Target:
        return Target(self.tenant, self._resource())

    def _resource(self) -> Resource:
        name = getattr(wish_of(self._record), "resource", "")
        try:
            return self.picture.context.resource(name)
        except NotFound:
            return Resource(ResourceName(name), name or "change", "")

    def whom(self) -> str:
        return visible(f"{self._request.name} · {self._request.what}", 100)

    def fields(self) -> Iterator[tuple[str, Widget]]:
        said = visible(self._request.reason, 200) or "–"
        yield "Reason", Static(Content(said), classes="said", markup=False)
        waits = visible(self._request.says, 200)
        yield "Waits", Static(Content(waits), classes="said", markup=False)
        yield "Note", Input(placeholder="told to who asked; may be left out",
                            id="remark", compact=True, max_length=300)  # fmt: skip

    def draft(self, target: Target, reason: str) -> Draft:
        self._check()
        title = Sold(self._request.name)
        request = Decide(title, self._record, self.VERDICT, self.text("remark"))
        before, after = self._change(target)
        return Draft(request, before, after, self.NOTE)

    def _check(self) -> None:
        """Raise BadInput where the worker would refuse it anyway."""
        own = self._record.person == self.picture.context.redis.username
        if self._record.state is not RequestState.WAITING:
            raise BadInput("it is approved already, and being carried out")
        if own and self.VERDICT is not Verdict.WITHDRAW:
            raise BadInput("it is your own: somebody else decides it; w withdraws it")
        if not own and self.VERDICT is Verdict.WITHDRAW:
            raise BadInput("it is not yours to withdraw; x rejects it")

    def _change(self, target: Target) -> tuple[str, str]:
        """Return before and after with the counter as it is now, where it is known."""
        wish = wish_of(self._record)
        used = self.used(target) if isinstance(wish, Adjustment) else None
        if isinstance(wish, Adjustment) and isinstance(used, int):
            scale = target.resource.scale
            after = group_quantity(wish.result(used), scale)
            return group_quantity(used, scale), after
        return self._record.before or "as it is", self._record.after

    def used(self, target: Target) -> int | None:
        """Return the counter as last read; None where it is not known."""
        fleet = self.picture.fleet
        row, column = (
            fleet.row_of(self.tenant.id),
            fleet.column_of(target.resource.name),
        )
        if row is None or column < 0:
            return None
        found = fleet.used(row, column)
        return found if isinstance(found, int) else None


class ApproveDialog(DecisionDialog):
    """Have a request carried out."""

    TITLE_TEXT = "Approve a request"
    VERB = "Approve"
    VERDICT = Verdict.APPROVE
    BEYOND_UNDO = True
    NOTE = "A worker carries it out at once; the trail names who asked, and you."


class RejectDialog(DecisionDialog):
    """End somebody's request."""

    TITLE_TEXT = "Reject a request"
    VERB = "Reject"
    VERDICT = Verdict.REJECT
    NOTE = "Nothing is changed, and who asked is told."

    def _change(self, target: Target) -> tuple[str, str]:
        return "waiting", "rejected"


class WithdrawDialog(DecisionDialog):
    """Take one's own request back."""

    TITLE_TEXT = "Withdraw a request"
    VERB = "Withdraw"
    VERDICT = Verdict.WITHDRAW
    NOTE = "Nothing is changed."

    def _change(self, target: Target) -> tuple[str, str]:
        return "waiting", "withdrawn"


_DIALOGS = {
    "approve": ApproveDialog,
    "reject": RejectDialog,
    "withdraw": WithdrawDialog,
}


def decision_dialog(
    action: str, picture: Picture, seen: SeenRequest, record: Pending
) -> DecisionDialog:
    """Return the dialog of an action."""
    return _DIALOGS[action](picture, seen, record)
