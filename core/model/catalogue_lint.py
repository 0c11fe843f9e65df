"""Lint of the catalogue: what is sold and probably not meant so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from meterdeck.core.model.amount_checks import (
    odd_decimals,
    tiers_unlike,
    unlike_comment,
    unlike_siblings,
)
from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.catalogue_warnings import CatalogueWarning, Code
from meterdeck.core.model.context import Context
from meterdeck.core.model.link_checks import check_plans, check_resources
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

    context: Context
    file: str
    account: Account | None = None
    comments: Comments = field(default_factory=dict)

    @property
    def catalogue(self) -> Catalogue:
        """What the configuration declares."""
        return self.context.catalogue


def lint(subject: Subject) -> tuple[CatalogueWarning, ...]:
    """Return what is probably wrong, the configuration's first; empty: sound."""
    return tuple(_warnings(subject))


def _warnings(subject: Subject) -> Iterator[CatalogueWarning]:
    catalogue, account = subject.catalogue, subject.account
    declared = declared_prices(catalogue, subject.file, subject.comments)
    existing = account_prices(account) if account else ()
    for price in (*declared, *existing):
        if price.active:
            yield from _price(price)
    yield from unlike_siblings(_once(declared, existing))
    yield from _inactive_in_file(subject)
    yield from _unused_in_file(subject, existing)
    if account is not None:
        yield from _in_account(account)
        yield from _unused_in_account(subject, account)
    yield from check_resources(subject.context, account, subject.file)
    yield from check_plans(subject.context, account, subject.file)
