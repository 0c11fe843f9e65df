"""Who uses and who pays: the directory and its customers in Stripe."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

from meterdeck.core.errors import NotFound
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.subscriptions import Subscription
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.services.doctor.check import BOTH, Check, Patient, examples

_ASKED = 100
_AT_ONCE = 8
_OVER = (
    TenantStatus.CANCELED,
    TenantStatus.INCOMPLETE_EXPIRED,
    TenantStatus.NO_SUBSCRIPTION,
)
"""Who has one of these has what the default plan allows, where there is one."""
_T = TypeVar("_T")


async def _customers(patient: Patient) -> Verdict:
    tenants = await patient.tenants()
    using = await _using(patient)
    asked = _some(patient, (t for t in tenants.values() if t.customer), using)
    gone = [t.id for t, is_gone in await _each(asked, _is_gone(patient)) if is_gone]
    if gone:
        return fault(
            f"{len(gone):,} customers are deleted in Stripe: {_names(gone)}",
            "have the directory read anew: meterdeck tenants --refresh; stop their"
            " usage, or make them customers again",
        )
    missing = [n for n in using if n not in tenants or not tenants[n].customer]
    if missing:
        return fault(
            f"{len(missing):,} tenants with usage are no customers: {_names(missing)}",
            f"give a customer the metadata {_metadata_key(patient)} = the tenant's"
            " name; then: meterdeck tenants --refresh",
        )
    if shared := await _shared(patient):
        return shared
    return ok(f"{len(tenants):,} tenants, {_looked(patient, asked, tenants)}")


async def _shared(patient: Patient) -> Verdict | None:
    """Judge customers of several tenants, and tenants of several customers."""
    stored = await patient.directory()
    owners: dict[str, list[TenantId]] = defaultdict(list)
    for tenant in stored.tenants.values():
        if tenant.customer:
            owners[tenant.customer].append(tenant.id)
    several = [names for names in owners.values() if len(names) > 1]
    if several:
        return fault(
            f"{len(several):,} customers are shared between tenants:"
            f" {_names(several[0])}",
            "give each tenant a customer of its own: their usage is on one invoice",
        )
    doubles = stored.state.doubles if stored.state else ()
    if not doubles:
        return None
    return warning(
        f"{len(doubles):,} customers claim a tenant that another one has:"
        f" {examples([visible(each, 40) for each in doubles])}",
        f"take the metadata {_metadata_key(patient)} off the one that is not billed",
    )


async def _items(patient: Patient) -> Verdict:
    tenants = await patient.tenants()
    using = [tenants[n] for n in await _using(patient) if n in tenants]
    customers = [each for each in using if each.customer and not _free(patient, each)]
    asked = _some(patient, customers, ())
    meters = await _meter_ids(patient)
    found = await _each(asked, _is_billed(patient, meters))
    without = [tenant.id for tenant, billed in found if not billed]
    if without:
        return warning(
            f"{len(without):,} tenants with usage have no metered item:"
            f" {_names(without)}",
            "add a price of the meter to their subscription; or count them to"
            " default_plan, which is not billed by usage",
        )
    if not using:
        return ok("nobody has used what is billed")
    free = len(using) - len(customers)
    rest = f"; {free:,} of the default plan are not billed by usage" if free else ""
    return ok(f"all have one, {_looked(patient, asked, customers)}{rest}")


async def _using(patient: Patient) -> tuple[TenantId, ...]:
    """Return tenants that have used something that is billed, of the sampled keys."""
    billed = {each.name for each in patient.context.resources if each.meter}
    sample = await patient.sample()
    found = (each.tenant for _, each in sample.counters if each.resource in billed)
    return tuple(dict.fromkeys(found))


def _free(patient: Patient, tenant: Tenant) -> bool:
    """Tell whether a tenant's usage is not billed, and is not meant to be."""
    default = patient.context.default_plan
    return bool(default) and (tenant.plan in ("", default) or tenant.status in _OVER)


async def _meter_ids(patient: Patient) -> frozenset[str]:
    names = {each.meter for each in patient.context.resources if each.meter}
    meters = (await patient.account()).meters
    return frozenset(each.id for each in meters if each.event_name in names)


def _is_gone(patient: Patient) -> Callable[[Tenant], Awaitable[bool]]:
    async def look(tenant: Tenant) -> bool:
        try:
            return (await patient.stripe.customer(tenant.customer)).deleted
        except NotFound:
            return True

    return look


def _is_billed(
    patient: Patient, meters: frozenset[str]
) -> Callable[[Tenant], Awaitable[bool]]:
    def bills(subscription: Subscription) -> bool:
        items = subscription.items
        return not subscription.ended and any(i.meter_id in meters for i in items)

    async def look(tenant: Tenant) -> bool:
        try:
            listed = [s async for s in patient.stripe.subscriptions(tenant.customer)]
        except NotFound:
            return True  # there is no such customer, which is another check's
        return any(map(bills, listed))

    return look


async def _each(
    tenants: Sequence[Tenant], look: Callable[[Tenant], Awaitable[_T]]
) -> list[tuple[Tenant, _T]]:
    """Ask of each; a few at once, so that others find Stripe's rate limit free."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(tenant: Tenant) -> tuple[Tenant, _T]:
        async with free:
            return tenant, await look(tenant)

    return list(await asyncio.gather(*map(one, tenants)))


def _some(
    patient: Patient, tenants: Iterable[Tenant], first: Sequence[TenantId]
) -> list[Tenant]:
    """Return tenants to ask Stripe about: all, or a hundred, those with usage first."""
    if patient.whole:
        return list(tenants)
    wanted = frozenset(first)
    ordered = sorted(tenants, key=lambda each: each.id not in wanted)
    return list(islice(ordered, _ASKED))


def _looked(
    patient: Patient, asked: Sequence[Tenant], of: Sequence[Tenant] | object
) -> str:
    whole = patient.whole or len(asked) < _ASKED
    more = "" if whole else " (all: --all)"
    return f"{len(asked):,} asked about in Stripe{more}"


def _names(names: Sequence[TenantId]) -> str:
    return examples([visible(each, 40) for each in names])


def _metadata_key(patient: Patient) -> str:
    stripe = patient.context.stripe
    return stripe.tenant_metadata_key if stripe else "tenant"


TENANT_CHECKS = (
    Check(
        "customers",
        "Customers",
        "tenants with usage that are no customers, deleted customers, customers shared"
        " between tenants; a hundred are asked about, with `--all` everybody",
        "Usage of a tenant without its own customer is on nobody's invoice, or on"
        " another's.",
        _customers,
        asks=BOTH,
        of_billing=True,
    ),
    Check(
        "items",
        "Metered items",
        "tenants with usage whose subscription has no item of a meter, those of"
        " `default_plan` aside; a hundred are asked about, with `--all` everybody",
        "Stripe counts their usage and puts it on no invoice.",
        _items,
        asks=BOTH,
        of_billing=True,
    ),
)
