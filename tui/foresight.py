"""What becomes of a change that the console asks for, by what it shows."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.changes import Adjustment, Bill, Undone
from meterdeck.core.model.event_changes import CANCELS, EventChange
from meterdeck.core.model.request_foresight import Foresight, foresee
from meterdeck.core.model.request_rules import Changes, Effect
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.model.wording import counted
from meterdeck.tui.bulk import BulkOverride
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import (
    Adjust,
    ChangeEvent,
    ClearOverride,
    ReplayAll,
    Request,
    SetOverride,
    Target,
)


def foresight(
    request: Request,
    picture: Picture,
    *,
    undone: Undone | None = None,
    units: int | None = None,
) -> Foresight | None:
    """Return what becomes of a request; None where it is not asked for.

    Args:
        undone: What it takes back, where it is an undo.
        units: Of a meter event, where it is about one.
    """
    if picture.context.changes is Changes.DIRECT:
        return None
    seen = _Seen(picture)
    if isinstance(request, ChangeEvent):
        found = seen.event(request, units)
    else:
        found = seen.foresee(request, undone)
    return found and replace(found, served=picture.requests_served)


class _Seen:
    """Reckons by the counters and limits that were read last."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._rules = picture.context.requests

    def foresee(self, request: Request, undone: Undone | None) -> Foresight | None:
        match request:
            case Adjust(target, adjustment):
                return self._foresee(self._counter(target, adjustment))
            case SetOverride() | ClearOverride():
                return self._foresee(self._limit(request))
            case BulkOverride(order):
                return self._many(order)
            case ReplayAll():
                return Foresight()  # each by itself
        if undone is None or not isinstance(request.target, Target):
            return None
        return self._foresee(self._undo(request.target, undone))

    def event(self, request: ChangeEvent, units: int | None) -> Foresight | None:
        """Return what becomes of a change of an event of so many units."""
        if request.change in CANCELS:
            return None  # Stripe is asked, by this console
        if units is None:
            return Foresight("how many units it has is not known")
        again = request.change in (EventChange.REPLAY, EventChange.NOT_COUNTED)
        before, after = (0, units) if again else (units, 0)
        billed = request.change is not EventChange.COUNTED
        return self._foresee(
            self._counted(request.target, before, after, billed=billed)
        )

    def _foresee(self, effect: Effect | None) -> Foresight:
        return Foresight() if effect is None else foresee(effect, self._rules)

    def _counter(self, target: Target, wish: Adjustment) -> Effect | None:
        used = self._used(target)
        if used is None:
            return None
        billed = wish.bill is Bill.QUOTA_AND_BILL
        return self._counted(target, used, wish.result(used), billed=billed)

    def _undo(self, target: Target, undone: Undone) -> Effect | None:
        if not undone.entry.period:
            return None  # of an override: the worker reads what its words say
        used = self._used(target)
        if used is None or not (undone.before.isdigit() and undone.after.isdigit()):
            return None
        after = used + int(undone.after) - int(undone.before)
        billed = undone.entry.bill == Bill.QUOTA_AND_BILL
        return self._counted(target, used, after, billed=billed)

    def _counted(
        self, target: Target, before: int, after: int, *, billed: bool
    ) -> Effect | None:
        limit = self._limit_now(target.tenant.id, target.resource.name)
        if limit is None:
            return None
        base = before if limit[0] is None else limit[0]
        resource = target.resource
        return Effect(resource.name, resource.scale, before, after, base, billed)

    def _limit(self, request: SetOverride | ClearOverride) -> Effect | None:
        tenant, resource = request.target.tenant, request.target.resource.name
        if isinstance(request, SetOverride):
            after = request.units
        else:
            after = self._picture.context.limit_of(tenant, resource).units
        return self._limited(tenant.id, resource, after)

    def _limited(
        self, tenant: TenantId, resource: ResourceName, after: int | None
    ) -> Effect | None:
        limit = self._limit_now(tenant, resource)
        if limit is None:
            return None
        scale = self._picture.context.resource(resource).scale
        return Effect(resource, scale, limit[0], after, limit[0] or 0)

    def _many(self, order: BulkOrder) -> Foresight:
        most = self._rules.bulk_above
        if len(order.limits) > most:
            return Foresight(f"it is about more than {counted(most, 'tenant')}")
        for tenant, units in order.limits:
            after = self._plan_limit(tenant, order.resource) if order.remove else units
            found = self._foresee(self._limited(tenant, order.resource, after))
            if found.why:
                return Foresight(f"{found.why}, of {visible(tenant, 40)}")
        return Foresight()

    def _plan_limit(self, tenant: TenantId, resource: ResourceName) -> int | None:
        """Return the limit that is left where an override is removed."""
        fleet = self._picture.fleet
        row = fleet.row_of(tenant)
        if row is None:
            return None  # what is made of it nobody knows here
        return fleet.limit_without(row, fleet.column_of(resource)).units

    def _used(self, target: Target) -> int | None:
        fleet = self._picture.fleet
        row = fleet.row_of(target.tenant.id)
        if row is None:
            return None
        used = fleet.used(row, fleet.column_of(target.resource.name))
        return used if isinstance(used, int) else 0

    def _limit_now(
        self, tenant: TenantId, resource: ResourceName
    ) -> tuple[int | None] | None:
        """Return the limit, in a tuple as it may be None; None where nobody knows."""
        fleet = self._picture.fleet
        row = fleet.row_of(tenant)
        if row is None:
            return None
        return (fleet.limit(row, fleet.column_of(resource)).units,)
