"""Lint of the catalogue: what is sold and probably not meant so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from meterdeck.core.model.amount_checks import (
    odd_decimals,
    tiers_unlike,
    unlike_comment,
    unlike_siblings,
)
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.catalogue_warnings import CatalogueWarning
from meterdeck.core.model.declared import Declared
from meterdeck.core.model.link_checks import (
    check_plans,
    check_resources,
    inactive_behind,
    unused_meters,
    without_meter,
)
from meterdeck.core.model.seen_prices import (
    Comments,
    SeenPrice,
    account_prices,
    declared_prices,
)
from meterdeck.core.model.tier_checks import check_tiers


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at.

    Attributes:
        file: What names the configuration.
        account: None where Stripe was not asked.
        comments: Those of the configuration file.
    """

    declared: Declared
    file: str
    account: Account | None = None
    comments: Comments = field(default_factory=dict)


def lint(subject: Subject) -> tuple[CatalogueWarning, ...]:
    """Return what is probably wrong; empty where the catalogue is sound."""
    return tuple(_warnings(subject))


def _warnings(subject: Subject) -> Iterator[CatalogueWarning]:
    declared, account, file = subject.declared, subject.account, subject.file
    prices = _active_prices(subject)
    for price in prices:
        yield from unlike_comment(price)
        yield from tiers_unlike(price)
        yield from odd_decimals(price)
        yield from check_tiers(price)
    yield from unlike_siblings(prices)
    yield from without_meter(prices)
    yield from inactive_behind(declared, account, file)
    yield from unused_meters(declared, account, file)
    yield from check_resources(declared, account, file)
    yield from check_plans(declared, account, file)


def _active_prices(subject: Subject) -> tuple[SeenPrice, ...]:
    """Return declared prices, and those of the account that are not the same."""
    catalogue = subject.declared.catalogue
    declared = declared_prices(catalogue, subject.file, subject.comments)
    existing = account_prices(subject.account or Account())
    said = {(each.names[0], each.form) for each in declared}
    others = [each for each in existing if (each.names[0], each.form) not in said]
    return tuple(price for price in (*declared, *others) if price.active)
