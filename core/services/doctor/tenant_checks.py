"""Who uses and who pays: the directory and its customers in Stripe."""

from __future__ import annotations

from collections import defaultdict

from meterdeck.core.errors import NotFound
from meterdeck.core.model.diagnosis import Verdict, fault, ok, waiting, warning
from meterdeck.core.model.subscriptions import Subscription
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.model.wording import counted
from meterdeck.core.services.doctor.check import (
    BOTH,
    REDIS,
    Asks,
    Check,
    Patient,
    examples,
)
from meterdeck.core.services.doctor.tenant_choice import (
    Chosen,
    choose,
    those_that,
)

_OVER = (
    TenantStatus.CANCELED,
    TenantStatus.INCOMPLETE_EXPIRED,
    TenantStatus.NO_SUBSCRIPTION,
)
"""Who has one of these has what the default plan allows, where there is one."""


async def _customers(patient: Patient) -> Verdict:
    tenants = await patient.tenants()
    using = await _using(patient)
    buyers = [each for each in tenants.values() if each.customer]
    chosen = choose(buyers, _most(patient), using)
    if gone := await _gone(patient, chosen):
        return fault(
            f"{counted(len(gone), 'customer is', 'customers are')} deleted in Stripe:"
            f" {_names(gone)}; {chosen}",
            "have the directory read anew: meterdeck tenants --refresh; stop their"
            " usage, or make them customers again",
        )
    missing = [n for n in using if n not in tenants or not tenants[n].customer]
    if missing:
        few = counted(len(missing), "tenant with usage is", "tenants with usage are")
        return fault(
            f"{few} no customer of Stripe's: {_names(missing)}",
            f"give a customer the metadata {_metadata_key(patient)} = the tenant's"
            " name; then: meterdeck tenants --refresh",
        )
    if shared := await _shared(patient):
        return shared
    if silence := patient.silent.get(Asks.STRIPE):
        return waiting(
            f"{counted(len(tenants), 'tenant')}, none shares a customer; whether one is"
            f" deleted was not looked at: {silence.why}",
            silence.check,
        )
    drawn = await _drawn(patient)
    return ok(f"{counted(len(tenants), 'tenant')}, {chosen}{drawn}")


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
    chosen = choose(customers, _most(patient))
    without = await _unbilled(patient, chosen)
    if without:
        few = counted(len(without), "tenant with usage has", "tenants with usage have")
        return warning(
            f"{few} no metered item: {_names(without)}; {chosen}",
            "add a price of the meter to their subscription; or count them to"
            " default_plan, which is not billed by usage",
        )
    if not using:
        return ok("nobody has used what is billed")
    free = len(using) - len(customers)
    rest = f"; {free:,} of the default plan are not billed by usage" if free else ""
    return ok(f"each has one, {chosen}{await _drawn(patient)}{rest}")


def _most(patient: Patient) -> int | None:
    return None if patient.whole else patient.asked


async def _drawn(patient: Patient) -> str:
    """Say from how many counters it is known who has usage, where not from all."""
    sample = await patient.sample()
    if sample.whole:
        return ""
    return f"; usage by {sample.counted(len(sample.counters)).rstrip(',')}"


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


async def _gone(patient: Patient, chosen: Chosen) -> list[TenantId]:
    """Return tenants whose customer is deleted; none where Stripe cannot be asked."""

    async def gone(tenant: Tenant) -> bool:
        try:
            return (await patient.stripe.customer(tenant.customer)).deleted
        except NotFound:
            return True

    if Asks.STRIPE in patient.silent:
        return []
    asked = chosen.tenants
    if (
        len(asked) > patient.asked
    ):  # pages of a hundred, and singly who is on none of them
        there = {each.id async for each in patient.stripe.customers()}
        asked = [each for each in asked if each.customer not in there]
    return await those_that(gone, asked)


async def _unbilled(patient: Patient, chosen: Chosen) -> list[TenantId]:
    """Return tenants without a subscription that has an item of a meter."""
    meters = await _meter_ids(patient)

    def bills(subscription: Subscription) -> bool:
        items = subscription.items
        return not subscription.ended and any(i.meter_id in meters for i in items)

    async def unbilled(tenant: Tenant) -> bool:
        found = patient.stripe.subscriptions(tenant.customer)
        try:
            return not any([bills(each) async for each in found])
        except NotFound:
            return False  # there is no such customer, which is another check's

    asked = chosen.tenants
    if len(asked) > patient.asked:
        every = patient.stripe.subscriptions()
        billed = {each.customer_id async for each in every if bills(each)}
        asked = [each for each in asked if each.customer not in billed]
    return await those_that(unbilled, asked)


def _names(names: list[TenantId]) -> str:
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
        asks=REDIS,
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
