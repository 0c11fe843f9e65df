"""What the account sells, against what the configuration counts."""

from __future__ import annotations

from collections.abc import Iterator

from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.context import Context
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import BilledBy, Resource, ResourceKind
from meterdeck.core.services.doctor.check import STRIPE, Check, Patient

_PLAN = "see the difference: meterdeck catalogue plan; make it so: catalogue apply"
_MOST = 3


async def _meters(patient: Patient) -> Verdict:
    account, context = await patient.account(), patient.context
    billed = [each for each in context.resources if each.meter]
    if not billed:
        return ok("no resource has a meter: nothing is billed")
    wrong = [*_unlike_resources(billed, account), *_unlike(context.catalogue, account)]
    if wrong:
        return fault(_several(wrong), _PLAN)
    names = ", ".join(dict.fromkeys(each.meter for each in billed))
    return ok(f"active, and count as configured: {visible(names, 200)}")


def _unlike_resources(resources: list[Resource], account: Account) -> Iterator[str]:
    """Yield what keeps resources from being counted by their meters."""
    for resource in resources:
        meter = _named(account, resource.meter)
        name = visible(resource.meter, 60)
        if meter is None:
            yield f"{name} ({resource.name}) is no meter of the account"
        elif not meter.active:
            yield f"{name} ({resource.name}) is inactive"
        elif meter.formula != (needed := _formula(resource)) and needed:
            have = visible(meter.formula, 20)
            yield f"{name} makes the {have} of {resource.name}, not the {needed}"
        elif needed == "sum" and not meter.adds_up:
            each = visible(meter.event_time_window, 20)
            yield f"{name} counts only the last event of {resource.name} in each {each}"


def _unlike(catalogue: Catalogue, account: Account) -> Iterator[str]:
    """Yield where a declared meter is another one in the account."""
    for spec in catalogue.meters.values():
        meter = _named(account, spec.event_name)
        if meter is None or not spec.active:
            continue
        keys = (meter.customer_key, meter.value_key, meter.event_time_window)
        if meter.formula != spec.formula:
            have = visible(meter.formula, 20)
            yield f"{spec.event_name} is declared as {spec.formula}, not {have}"
        elif keys != (spec.customer_key, spec.value_key, spec.event_time_window):
            yield f"{spec.event_name} reads other keys of an event than declared"


def _named(account: Account, event_name: str) -> MeterInfo | None:
    """Return the meter of an event name, an active one where there is one."""
    found = [each for each in account.meters if each.event_name == event_name]
    return max(found, key=lambda each: each.active, default=None)


def _formula(resource: Resource) -> str:
    """Return what the meter has to make of its events; empty: anything will do."""
    if resource.billed_by is BilledBy.EVENTS:
        return ""
    return "last" if resource.kind is ResourceKind.GAUGE else "sum"


async def _prices(patient: Patient) -> Verdict:
    account = await patient.account()
    active = [each for each in account.prices if each.active]
    orphans = [
        f"{p.id} has none"
        for p in active
        if p.usage_type == "metered" and not p.meter_id
    ]
    stopped = {each.id: each.event_name for each in account.meters if not each.active}
    behind = [
        f"{p.id} is of {stopped[p.meter_id]}" for p in active if p.meter_id in stopped
    ]
    if orphans:
        return fault(
            f"metered prices without a meter: {_several(orphans)}",
            "create a price of a meter and move subscriptions to it: meterdeck"
            " catalogue price create",
        )
    if behind:
        return warning(
            f"prices of inactive meters: {_several(behind)}",
            "archive the price, or reactivate the meter: meterdeck catalogue",
        )
    if unsold := _unsold(patient.context, account):
        return warning(
            f"no active price bills {_several(unsold)}",
            "create one: meterdeck catalogue price create; or leave the resource's"
            " meter out",
        )
    metered = sum(bool(each.meter_id) for each in active)
    return ok(f"{metered:,} of usage, each with an active meter")


def _unsold(context: Context, account: Account) -> list[str]:
    """Return active meters of resources that no active price bills."""
    sold = {each.meter_id for each in account.prices if each.active}
    meters = {each.meter for each in context.resources if each.meter}
    return [
        each.event_name
        for each in account.meters
        if each.active and each.event_name in meters and each.id not in sold
    ]


def _several(found: list[str]) -> str:
    shown = "; ".join(visible(each, 120) for each in found[:_MOST])
    return shown if len(found) <= _MOST else f"{shown}; and {len(found) - _MOST} more"


CATALOGUE_CHECKS = (
    Check(
        "meters",
        "Meters",
        "each resource's meter: there, active, with the formula and the keys that are"
        " configured",
        "Usage of a meter that is missing, inactive or counts otherwise is billed"
        " wrongly, or not at all.",
        _meters,
        asks=STRIPE,
        of_billing=True,
    ),
    Check(
        "prices",
        "Prices",
        "metered prices without a meter, or of an inactive one; meters that no price"
        " bills",
        "What no price bills is counted by Stripe and on no invoice.",
        _prices,
        asks=STRIPE,
        of_billing=True,
    ),
)
