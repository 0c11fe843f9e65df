"""Meters, products, resources and plans that lead nowhere, or to what is inactive."""

from __future__ import annotations

from collections.abc import Iterator

from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.catalogue_warnings import CatalogueWarning, Code
from meterdeck.core.model.declared import Declared
from meterdeck.core.model.prices import Formula
from meterdeck.core.model.seen_prices import SeenPrice
from meterdeck.core.model.usage import BilledBy, Resource, ResourceKind


def without_meter(prices: tuple[SeenPrice, ...]) -> Iterator[CatalogueWarning]:
    """Yield metered prices that no meter is behind: Stripe's old usage records."""
    for price in prices:
        if price.metered and not price.meter:
            yield CatalogueWarning(
                Code.METERED_WITHOUT_METER,
                price.place,
                "is metered and has no meter: meter events do not reach it, and"
                " Stripe creates no such price any more",
                "create a price of a meter, and move subscriptions to it",
            )


def inactive_behind(
    declared: Declared, account: Account | None, file: str
) -> Iterator[CatalogueWarning]:
    """Yield active prices whose meter or product is inactive."""
    catalogue = declared.catalogue
    for spec in catalogue.prices.values():
        if not spec.active:
            continue
        place = f"{file}: prices.{spec.name}"
        if spec.meter and not catalogue.meters[spec.meter].active:
            yield _meter_inactive(place, f"meters.{spec.meter}")
        if not catalogue.products[spec.product].active:
            yield _product_inactive(place, f"products.{spec.product}")
    if account is None:
        return
    meters = {each.id: each.event_name for each in account.meters if not each.active}
    products = {each.id for each in account.products if not each.active}
    for price in account.prices:
        if price.active and price.meter_id in meters:
            yield _meter_inactive(price.id, f"meter {meters[price.meter_id]}")
        if price.active and price.product_id in products:
            yield _product_inactive(price.id, f"product {price.product_id}")


def _meter_inactive(place: str, meter: str) -> CatalogueWarning:
    return CatalogueWarning(
        Code.METER_INACTIVE,
        place,
        f"bills the usage of {meter}, which is inactive: nothing is counted for it",
        "reactivate the meter, or archive the price (active = false)",
    )


def _product_inactive(place: str, product: str) -> CatalogueWarning:
    return CatalogueWarning(
        Code.PRODUCT_INACTIVE,
        place,
        f"is a price of {product}, which is inactive",
        "activate the product, or archive the price (active = false)",
    )


def unused_meters(
    declared: Declared, account: Account | None, file: str
) -> Iterator[CatalogueWarning]:
    """Yield active meters that no active price bills."""
    catalogue = declared.catalogue
    used = {
        catalogue.meters[spec.meter].event_name
        for spec in catalogue.prices.values()
        if spec.active and spec.meter
    }
    there = account or Account()
    behind = {each.meter_id for each in there.prices if each.active}
    used |= {each.event_name for each in there.meters if each.id in behind}
    own = {spec.event_name for spec in catalogue.meters.values()}
    if catalogue.prices or account is not None:
        for spec in catalogue.meters.values():
            if spec.active and spec.event_name not in used:
                yield _unused(f"{file}: meters.{spec.name}")
    for meter in there.meters:
        if meter.active and meter.event_name not in used | own:
            yield _unused(f"{meter.id} ({meter.event_name})")


def _unused(place: str) -> CatalogueWarning:
    return CatalogueWarning(
        Code.METER_UNUSED,
        place,
        "no active price bills this meter: what it counts is on no invoice",
        "create a price of it, or deactivate it (active = false)",
    )


def check_resources(
    declared: Declared, account: Account | None, file: str
) -> Iterator[CatalogueWarning]:
    """Yield resources whose meter is not there, or makes something else of them."""
    meters = declared.catalogue.meters
    known = {
        spec.event_name: (spec.formula, spec.event_time_window)
        for spec in meters.values()
        if spec.active
    }
    for meter in (account or Account()).meters:
        if meter.active and meter.formula in set(Formula):
            found = Formula(meter.formula), meter.event_time_window
            known.setdefault(meter.event_name, found)
    if not meters and account is None:
        return
    for resource in declared.resources:
        place = f"{file}: resources.{resource.name}"
        if not resource.meter:
            continue
        if resource.meter not in known:
            yield _no_meter(place, resource, account)
            continue
        fitting = _formula(resource)
        formula, window = known[resource.meter]
        if fitting is not None and fitting is not formula:
            yield CatalogueWarning(
                Code.RESOURCE_UNLIKE_METER,
                place,
                f"is a {resource.kind}, and its meter {resource.meter} has the formula"
                f" {formula}: nothing of it is billed",
                f'use a meter with formula = "{fitting}"',
            )
        elif fitting is Formula.SUM and window:
            yield CatalogueWarning(
                Code.RESOURCE_UNLIKE_METER,
                place,
                f"is a {resource.kind}, and its meter {resource.meter} counts only the"
                f" last event of each {window}: nothing of it is billed",
                "use a meter without event_time_window",
            )


def _formula(resource: Resource) -> Formula | None:
    """Return what its meter must make of its events; None: anything will do."""
    if resource.billed_by is BilledBy.EVENTS:
        return None
    return Formula.LAST if resource.kind is ResourceKind.GAUGE else Formula.SUM


def _no_meter(
    place: str, resource: Resource, account: Account | None
) -> CatalogueWarning:
    nowhere = "is not declared in [meters]"
    if account is not None:
        nowhere += " and no active meter of the account: its usage cannot be billed"
    return CatalogueWarning(
        Code.RESOURCE_WITHOUT_METER,
        f"{place}.meter",
        f"{resource.meter} {nowhere}",
        f"declare it, such as [meters.{resource.name}] with event_name ="
        f' "{resource.meter}", or mend the name',
    )


def check_plans(
    declared: Declared, account: Account | None, file: str
) -> Iterator[CatalogueWarning]:
    """Yield lookup keys of plans that no active price has."""
    prices = declared.catalogue.prices
    if not prices and account is None:
        return
    known = {spec.lookup_key for spec in prices.values() if spec.active}
    there = (account or Account()).prices
    known |= {price.lookup_key for price in there if price.active}
    for rule in declared.plan_rules:
        for key in sorted(rule.lookup_keys - known):
            yield CatalogueWarning(
                Code.PLAN_WITHOUT_PRICE,
                f"{file}: plans.{rule.plan}.lookup_keys",
                f'no active price has the lookup key "{key}", by which a subscription'
                " would get the plan",
                "declare a price with it, or mend the key",
            )
