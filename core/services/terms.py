"""The terms of calls: what is counted where, in which period, under which limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from meterdeck.core.adapters.consume_calls import Term
from meterdeck.core.adapters.resp import NamedBulks, bulk
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import (
    Period,
    PeriodKind,
    calendar_month,
    current_period,
)
from meterdeck.core.model.usage import (
    BilledBy,
    Resource,
    ResourceKind,
    Tenant,
    TenantId,
)
from meterdeck.core.services.current_periods import CurrentPeriods
from meterdeck.core.services.kinds import check_kind

_NOBODY = Tenant(TenantId(""), "")  # no plan of its own: the default's limits
_MARK = TenantId("\0tenant\0")
_MOST_FORMS = 1_000  # sets of resources that are asked for together


@dataclass(frozen=True, slots=True)
class Around:
    """What stands before and after a tenant's name in a key."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, name: Callable[[TenantId], bytes]) -> Around:
        """Take apart the keys that `name` makes of tenants."""
        before, after = name(_MARK).split(name_bytes(_MARK))
        return cls(before, after)


@dataclass(frozen=True, slots=True)
class Place:
    """A term, and where its counters are and what is kept beside them.

    Attributes:
        beyond: None where the term has no rule.
    """

    term: Term
    counter: Around
    override: Around
    reserved: Around
    beyond: Around | None


@dataclass(frozen=True, slots=True)
class Form:
    """What every call of the same resources has in common, whoever's they are.

    Attributes:
        keys: The call's keys but that of its id; see `ConsumeCall`.
        who: The tenant's name and the billing cycle the periods come from.
    """

    terms: tuple[Term, ...]
    keys: NamedBulks
    key_count: int
    who: NamedBulks


class Terms:
    """Current terms without a round trip, made once for as long as they are current."""

    def __init__(self, context: Context, periods: CurrentPeriods) -> None:
        self._context = context
        self._layout = context.redis.layout
        self._entry = Around.of(self._layout.tenant)
        self._refusals = Around.of(self._layout.refusals)
        self._periods = periods
        # Those of which no call has to know more than the server's time.
        self._by_month = [
            each
            for each in context.resources
            if each.period is not PeriodKind.BILLING_CYCLE
            and each.kind is not ResourceKind.UNIQUE
            and each.billed_by is BilledBy.COUNTER
        ]
        self._month: Mapping[str, Place] = {}
        self._forms: dict[tuple[str, ...], Form] = {}
        self._month_until = -1.0
        self._learnt: object = None

    def monthly(self, names: tuple[str, ...]) -> Form | None:
        """Return the form of calls of what is counted by calendar month, and of gauges.

        None where one of them is not. Before anything is known of the server's clock
        the form is of a month long past: the script then says what time it is.
        """
        known = self._periods.known
        if known is not self._learnt or time.monotonic() >= self._month_until:
            self._renew()
        form = self._forms.get(names)
        return form or self._monthly(names)

    async def of(self, tenant: TenantId, names: Iterable[str]) -> Form:
        """Return the form of a tenant's call, some of it by billing cycle.

        Raises:
            NotFound: A resource is not configured.
            BadInput: Another call is for it.
            RedisUnreachable, RedisRefused: The billing cycle could not be read.
        """
        resources = [self._context.resource(name) for name in names]
        for each in resources:
            check_kind(each, ResourceKind.COUNTER, ResourceKind.GAUGE)
        reckoning = await self._periods.of(tenant, resources)
        places = [self._place(each, reckoning.periods[each.name]) for each in resources]
        return self._form(places, reckoning.cycle)

    def _monthly(self, names: tuple[str, ...]) -> Form | None:
        try:
            places = [self._month[name] for name in names]
        except KeyError:
            return None
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        form = self._forms[names] = self._form(places, b"")
        return form

    def _form(self, places: Sequence[Place], cycle: bytes) -> Form:
        beyond = [each.beyond for each in places if each.beyond]
        keys = NamedBulks(
            (each.before, each.after)
            for each in (
                self._entry,
                self._refusals,
                *[each.counter for each in places],
                *[each.override for each in places],
                *[each.reserved for each in places],
                *beyond,
            )
        )
        who = NamedBulks([(b"", b"")], bulk(cycle))
        return Form(tuple(each.term for each in places), keys, len(keys), who)

    def _renew(self) -> None:
        self._learnt = self._periods.known
        self._forms.clear()
        now = self._periods.estimate()
        self._month = {
            each.name: self._place(each, current_period(each.period, None, now))
            for each in self._by_month
        }
        left_s = (calendar_month(now).end - now).total_seconds()
        self._month_until = time.monotonic() + left_s

    def _place(self, resource: Resource, period: Period) -> Place:
        name, layout = resource.name, self._layout
        default = self._context.limit_of(_NOBODY, name)
        rule = self._context.default_rule(name)
        label = period.label
        beyond = Around.of(lambda tenant: layout.beyond(tenant, name, label))
        return Place(
            Term.of(name, period, default, rule),
            Around.of(lambda tenant: layout.counter(tenant, name, label)),
            Around.of(lambda tenant: layout.override(tenant, name)),
            Around.of(lambda tenant: layout.reserved(tenant, name, label)),
            beyond if rule else None,
        )
