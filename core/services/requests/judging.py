"""What a request would do, and whether a second person has to approve it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import BrokenCounter, Conflict, NotFound, Refused
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import (
    Change,
    ClearLimit,
    EventWish,
    SetLimit,
    TakeBack,
)
from meterdeck.core.model.changes import Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.quantity import group_quantity, parse_counter
from meterdeck.core.model.request_rules import Effect, needs_approval
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Broken, Tenant, TenantId, Usage
from meterdeck.core.model.wording import counted
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.event_changes import EventChanges
from meterdeck.core.services.kinds import check_bill
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.event_requests import events_without_stripe
from meterdeck.core.services.requests.worth import Worth
from meterdeck.core.services.usage_reading import UsageReader

_UNLIMITED = "unlimited"
_NO_OVERRIDE = "none"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a request would do.

    Attributes:
        before: What it changes, for a person; empty where it is of many.
        after: What it becomes.
        why: Why somebody has to approve it; "" where nobody has to.
        billed: Whether the bill follows.
    """

    before: str
    after: str
    why: str
    billed: bool = False


class Judge:
    """Holds changes against a context's rules; changes nothing.

    Args:
        worth: Reckons what changes cost; None where nobody does.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        changes: OperatorChanges,
        worth: Worth | None,
    ) -> None:
        self._redis = redis
        self._context = context
        self._changes = changes
        self._reader = UsageReader(redis, context)
        self._directory = Directory(redis, context, None)
        self._worth = worth

    async def judge(self, change: Change) -> Judgement:
        """Say what a change would do now.

        Raises:
            BadInput, NotFound, Refused: It could not be done.
            Unreachable: A server was needed for it and did not answer.
        """
        match change:
            case BulkOrder():
                return await self._of_many(change)
            case Adjustment():
                effect = await self._of_counter(change)
            case SetLimit():
                effect = await self._of_limit(change)
            case ClearLimit():
                effect = await self._of_no_limit(change)
            case TakeBack():
                return await self._of_undo(change)
            case EventWish():
                return await self._of_event(change)
        return self._judged(effect)

    async def _of_event(self, change: EventWish) -> Judgement:
        """Say what becomes of an event's units on the bill."""
        plan = await self._events.plan(change.change, change.identifier)
        line = plan.event.line
        if line.tenant != change.tenant:
            whose = visible(change.tenant, 40)
            raise NotFound(f"{whose} has no event {visible(change.identifier, 100)}")
        if plan.problem:
            raise Refused(plan.problem)
        if line.units is None:
            return Judgement("", "", "how many units it has is not known", billed=True)
        units = (line.units, 0)
        if change.change in (EventChange.REPLAY, EventChange.NOT_COUNTED):
            units = (0, line.units)
        tenant, seen = await self._seen(line.tenant, line.resource)
        billed = change.change is not EventChange.COUNTED
        return self._judged(await self._counted(tenant, seen, units, billed=billed))

    @cached_property
    def _events(self) -> EventChanges:
        return events_without_stripe(self._redis, self._context)

    def _judged(self, effect: Effect) -> Judgement:
        why = needs_approval(effect, self._context.requests)
        return Judgement(*effect.words, why, effect.billed)

    async def _of_counter(self, change: Adjustment) -> Effect:
        tenant, seen = await self._seen(change.tenant, change.resource)
        if isinstance(seen.used, Broken):
            key = f"the counter of {seen.resource} of {visible(change.tenant)}"
            raise BrokenCounter(key, seen.used.holds)
        after = change.result(seen.used)
        self._check_possible(change, seen.used, after)
        billed = change.bill is Bill.QUOTA_AND_BILL
        return await self._counted(tenant, seen, (seen.used, after), billed=billed)

    def _check_possible(self, change: Adjustment, used: int, after: int) -> None:
        """Refuse what the script would: nobody has to approve what cannot be done."""
        resource = self._context.resource(change.resource)
        check_bill(change.bill, resource)
        what = f"{resource.label} of {visible(change.tenant)}"
        if change.expected not in (None, used):
            raise Conflict(what, change.expected or 0, used)
        if after < 0:
            now = group_quantity(used, resource.scale)
            raise Refused(
                f"{what} is {now}; it cannot fall below 0, nothing was changed"
            )

    async def _counted(
        self, tenant: Tenant, seen: Usage, change: tuple[int, int], *, billed: bool
    ) -> Effect:
        before, after = change
        money = None
        if billed and self._worth and self._context.requests.above_money is not None:
            money = await self._worth.of(tenant, seen.resource, after - before)
        base = before if seen.limit.units is None else seen.limit.units
        scale = self._context.resource(seen.resource).scale
        return Effect(seen.resource, scale, before, after, base, billed, money)

    async def _of_limit(self, change: SetLimit) -> Effect:
        _, seen = await self._seen(change.tenant, change.resource)
        return self._limited(seen, change.units)

    async def _of_no_limit(self, change: ClearLimit) -> Effect:
        tenant, seen = await self._seen(change.tenant, change.resource)
        after = self._context.limit_of(tenant, seen.resource).units
        return self._limited(seen, after)

    def _limited(self, seen: Usage, after: int | None) -> Effect:
        before = seen.limit.units
        scale = self._context.resource(seen.resource).scale
        return Effect(seen.resource, scale, before, after, before or 0)

    async def _of_undo(self, change: TakeBack) -> Judgement:
        done = await self._changes.preview_undo(change.tenant, change.audit_id)
        entry = done.entry
        tenant, seen = await self._seen(change.tenant, entry.resource)
        if done.action.startswith("adjust"):
            counts = (int(done.before), int(done.after))
            billed = entry.bill == Bill.QUOTA_AND_BILL
            return self._judged(
                await self._counted(tenant, seen, counts, billed=billed)
            )
        plan = self._context.limit_of(tenant, entry.resource).units
        after_units = _units(done.after, plan)
        return self._judged(self._limited(seen, after_units))

    async def _of_many(self, order: BulkOrder) -> Judgement:
        resource = self._context.resource(order.resource)
        count, rules = len(order.limits), self._context.requests
        what = counted(count, "override")
        words = (
            f"{what} of {resource.label} removed"
            if order.remove
            else (f"{what} of {resource.label}")
        )
        if count > rules.bulk_above:
            said = counted(rules.bulk_above, "tenant")
            return Judgement("", words, f"it is about more than {said}")
        for tenant, units in order.limits:
            who, seen = await self._seen(tenant, order.resource)
            # What is removed leaves the plan's limit, whatever the order says.
            plan = self._context.limit_of(who, resource.name).units
            after = plan if order.remove else units
            why = needs_approval(self._limited(seen, after), rules)
            if why:
                return Judgement("", words, f"{why}, of {visible(tenant, 40)}")
        return Judgement("", words, "")

    async def _seen(self, tenant: TenantId, resource: str) -> tuple[Tenant, Usage]:
        """Return a tenant and one counter; of one nobody knows, what its name gives."""
        wanted = self._context.resource(resource).name
        try:
            who = await self._directory.get(tenant)
        except NotFound:
            who = Tenant(tenant, tenant)
        found = await self._reader.read(who)
        return who, next(each for each in found if each.resource == wanted)


def _units(words: str, plan: int | None) -> int | None:
    """Return the limit that the trail's words of an override leave."""
    limit = words.partition(" until ")[0]
    if limit == _NO_OVERRIDE:
        return plan
    if limit == _UNLIMITED:
        return None
    return parse_counter(limit.encode("utf-8", "surrogateescape"))
