"""Tiers that leave units out, punish more use, or reward it with a lower total."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from meterdeck.core.model.catalogue_warnings import CatalogueWarning, Code
from meterdeck.core.model.prices import Tier, Tiered, TiersMode
from meterdeck.core.model.seen_prices import SeenPrice


def check_tiers(price: SeenPrice) -> Iterator[CatalogueWarning]:
    """Yield gaps, rising unit prices and cliffs of a tiered price."""
    if not isinstance(price.form, Tiered):
        return
    gaps = list(_gaps(price, price.form.tiers))
    yield from gaps
    yield from _rising(price, price.form.tiers)
    if price.form.mode is TiersMode.VOLUME and not gaps:
        yield from _cliffs(price, price.form.tiers)


def _gaps(price: SeenPrice, tiers: tuple[Tier, ...]) -> Iterator[CatalogueWarning]:
    last = tiers[-1].up_to if tiers else 0
    if last is not None:
        yield CatalogueWarning(
            Code.TIERS_WITH_GAPS,
            price.at(("tiers",)),
            f"has no tier for what is above {last:,} units",
            'let the last tier go up_to = "inf"',
        )
    reached = 0
    for index, tier in enumerate(tiers[:-1] if last is None else tiers):
        if tier.up_to is None or tier.up_to <= reached:
            bound = "inf" if tier.up_to is None else f"{tier.up_to:,}"
            yield CatalogueWarning(
                Code.TIERS_WITH_GAPS,
                price.at(("tiers", str(index), "up_to")),
                f"tier {index + 1} ends at {bound}, where the tiers before it have"
                f" reached {reached:,}" + ("" if tier.up_to else " and more follow"),
                "let each tier go further up than the one before it",
            )
        reached = max(reached, tier.up_to or reached)


def _rising(price: SeenPrice, tiers: tuple[Tier, ...]) -> Iterator[CatalogueWarning]:
    for index, (one, after) in enumerate(pairwise(tiers)):
        # A free allowance comes first, and a tier may be a flat amount alone.
        if one.unit and after.unit > one.unit:
            yield CatalogueWarning(
                Code.TIERS_RISING,
                price.at(("tiers", str(index + 1), "unit")),
                f"tier {index + 2} costs {price.money(after.unit)} a unit, more than"
                f" the {price.money(one.unit)} of the tier before it",
                "let later tiers cost less, unless more use is to be dearer",
            )


def _cliffs(price: SeenPrice, tiers: tuple[Tier, ...]) -> Iterator[CatalogueWarning]:
    for index, (one, after) in enumerate(pairwise(tiers)):
        if one.up_to is None:
            return
        full = one.up_to * one.unit + one.flat
        one_more = (one.up_to + 1) * after.unit + after.flat
        if one_more < full:
            yield CatalogueWarning(
                Code.TIERS_WITH_CLIFF,
                price.at(("tiers", str(index + 1))),
                f"{one.up_to + 1:,} units cost {price.money(one_more)} in all, less"
                f" than the {price.money(full)} of {one.up_to:,}",
                f"raise flat of tier {index + 2} by"
                f" {price.money(full - one_more)}, or make it graduated",
            )
