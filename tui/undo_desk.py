"""Undo in the console: a tenant's last change, an entry, one's own last change."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from textual.message import Message

from meterdeck.core.errors import MeterdeckError, NotFound
from meterdeck.core.model.changes import Undone
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.requests import (
    Adjust,
    ChangeEvent,
    ClearOverride,
    FireEvent,
    ReplayAll,
    Request,
    SetOverride,
    Target,
    Undo,
)
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine
    from meterdeck.tui.console import ConsoleApp

_TITLE = "undo"
_LOOKED_AT = 100
_UNDONE = (Adjust, SetOverride, ClearOverride, Undo)


class UndoForeseen(Message):
    """The engine has said what an undo would do, or why there is none."""

    def __init__(self, tenant: TenantId, future: Future[Undone]) -> None:
        self.tenant = tenant
        self.future = future
        super().__init__()


class UndoDesk:
    """Has an undo foreseen and opens its dialog; knows what was changed last."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._last: Request | None = None

    def note(self, request: Request) -> None:
        """Remember what was changed, as the last change of this console.

        To have seen an alert is no change that somebody would take back.
        """
        from meterdeck.tui.alert_requests import (  # noqa: PLC0415  # rare
            Acknowledge,
            Snooze,
        )

        if not isinstance(request, Acknowledge | Snooze):
            self._last = request

    def foresee(self, tenant: TenantId, entry: str | None) -> None:
        """Ask what taking back an entry does, the tenant's newest for None."""
        future = self._app.runtime.submit(
            lambda engine: engine.changes.preview_undo(tenant, entry)
        )
        tell(self._app, future, lambda done: UndoForeseen(tenant, done))

    def take_back_last(self) -> None:
        """Ask what taking back this console's last change does."""
        request = self._last
        target = request.target if request else None
        if request is None or not isinstance(target, Target):
            self._refuse(why_not(request))
            return
        if not isinstance(request, _UNDONE):
            self._refuse(f"{target}: {why_not(request)}")
            return
        tenant, operation_id = target.tenant.id, request.operation_id

        def job(engine: Engine) -> Awaitable[Undone]:
            return _foresee(engine, tenant, operation_id)

        future = self._app.runtime.submit(job)
        tell(self._app, future, lambda done: UndoForeseen(tenant, done))

    def _refuse(self, why: str) -> None:
        self._app.say(why, title=_TITLE, severity="warning")

    def foreseen(self, message: UndoForeseen) -> None:
        """Open the dialog with what the engine has said."""
        from meterdeck.tui.dialogs.undo import UndoDialog  # noqa: PLC0415  # rare

        picture, error = self._app.picture, message.future.exception()
        if isinstance(error, MeterdeckError):
            self._refuse(str(error))
            return
        if error is not None:
            raise error
        # Whoever has opened something else meanwhile is not interrupted.
        if picture is None or not isinstance(self._app.screen, AreaScreen):
            return
        who = picture.who(message.tenant)
        dialog = UndoDialog(picture, who, message.future.result())
        self._app.push_screen(dialog, self._app.perform)


async def _foresee(engine: Engine, tenant: TenantId, operation_id: str) -> Undone:
    """Find the entry that an operation has left, and what taking it back does.

    Raises:
        NotFound: It has left none, or too many came after it.
    """
    entries = await engine.changes.audit(tenant, limit=_LOOKED_AT)
    left_by = engine.changes.trail_id(operation_id)
    for entry in entries:
        if entry.operation_id == left_by:
            return await engine.changes.preview_undo(tenant, entry.id)
    raise NotFound(
        f"the last change of this console, of {visible(tenant, 40)}, is not among the"
        f" newest {_LOOKED_AT} entries of its trail; A shows all"
    )


def why_not(request: Request | None) -> str:
    """Return why a change cannot be taken back, and what to do instead."""
    if request is None:
        return (
            "nothing was changed from this console yet;"
            " u takes back a tenant's last change"
        )
    if isinstance(request, FireEvent):
        return "a test event that was sent has no undo; e shows it, and x cancels it"
    if isinstance(request, ChangeEvent | ReplayAll):
        return (
            "what was done about a meter event has no undo;"
            " e shows what can still be done about it"
        )
    if isinstance(request.target, Target):
        return "it has no undo in one step; A shows each of its entries, u undoes one"
    return f"{request.target}: this has no undo; where it was done, it is changed again"
