"""Who the sandbox's tenants are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.core.model.usage import TenantStatus, percent_of
from meterdeck.core.sandbox.cast import MOST_TENANTS, Character, cast
from meterdeck.core.sandbox.catalogue import ENTERPRISE
from meterdeck.core.sandbox.names import capacity, companies
from meterdeck.core.sandbox.roles import CYRILLIC, GERMAN, JAPANESE, LONG_NAME, ROLES

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DEFAULT = 60


def worst_percent(character: Character, elapsed: float) -> int:
    shares = (
        percent_of(character.used(resource, elapsed), limit)
        for resource, limit in character.limits.items()
    )
    return max((share for share in shares if share is not None), default=-1)


def test_the_same_seed_gives_the_same_tenants_at_any_hour_of_the_day() -> None:
    """A cast depends on the seed and the UTC day only."""
    morning = list(cast(7, DEFAULT, NOON - timedelta(hours=11)))

    assert list(cast(7, DEFAULT, NOON)) == morning


def test_another_seed_gives_other_tenants() -> None:
    """Names and plans of the crowd change with the seed."""
    one, other = (list(cast(seed, DEFAULT, NOON)) for seed in (1, 2))

    assert [each.company for each in one] != [each.company for each in other]
    assert [each.plan for each in one] != [each.plan for each in other]


def test_a_longer_cast_begins_with_the_shorter_one() -> None:
    """Asking for more tenants adds tenants."""
    assert list(cast(1, 500, NOON))[:DEFAULT] == list(cast(1, DEFAULT, NOON))


def test_no_two_tenants_share_an_id() -> None:
    """A fleet of the largest size has that many different tenants."""
    ids = {each.id for each in islice(companies(3), MOST_TENANTS)}

    assert len(ids) == MOST_TENANTS <= capacity()


def test_the_odd_tenants_are_in_the_default_fleet() -> None:
    """Unlimited, every status, a 64-character name and three scripts are there."""
    fleet = list(cast(1, DEFAULT, NOON))
    names = {each.company for each in fleet}

    assert {
        TenantStatus.ACTIVE,
        TenantStatus.TRIALING,
        TenantStatus.PAST_DUE,
        TenantStatus.CANCELED,
        TenantStatus.NO_SUBSCRIPTION,
    } <= {each.status for each in fleet}
    assert ENTERPRISE in {each.plan for each in fleet}
    assert {LONG_NAME, JAPANESE, CYRILLIC, GERMAN} <= names
    assert len(LONG_NAME.name) == len(LONG_NAME.id) == 64


@pytest.mark.parametrize("elapsed", [0.0, 0.5, 0.97])
def test_the_first_screen_has_every_colour_on_every_day(elapsed: float) -> None:
    """Blue, yellow, red, full and over the limit are all there among 60."""
    shares = [worst_percent(each, elapsed) for each in cast(1, DEFAULT, NOON)]

    assert sum(0 <= share <= 70 for share in shares) >= 10
    assert sum(70 < share <= 90 for share in shares) >= 4
    assert sum(90 < share < 100 for share in shares) >= 3
    assert sum(share == 100 for share in shares) >= 3
    assert sum(share > 100 for share in shares) == 2


def test_only_tenants_that_count_the_legacy_way_are_over_their_limit() -> None:
    """Nobody who checks before counting can have used too much."""
    over = [each for each in cast(1, 5_000, NOON) if worst_percent(each, 0.5) > 100]

    assert over
    assert all(each.legacy for each in over)


def test_the_crowd_is_mostly_far_from_its_limits() -> None:
    """Of a large fleet more than two thirds are at 70 % or less in mid-month."""
    shares = [worst_percent(each, 0.5) for each in cast(1, 5_000, NOON)]

    assert sum(share <= 70 for share in shares) > len(shares) * 2 / 3
    assert sum(share > 90 for share in shares) > len(shares) / 100


def test_billing_cycles_begin_on_many_days_of_the_month() -> None:
    """Anchors are spread, so that resets are."""
    days = {each.anchor.day for each in cast(1, DEFAULT, NOON)}

    assert len(days) >= 15


@pytest.mark.parametrize("count", [0, 1, len(ROLES), len(ROLES) + 1])
def test_a_small_fleet_has_exactly_the_tenants_asked_for(count: int) -> None:
    """The roles are cut off where the fleet ends."""
    assert len(list(cast(1, count, NOON))) == count


@pytest.mark.parametrize("count", [-1, MOST_TENANTS + 1])
def test_an_impossible_number_of_tenants_is_refused(count: int) -> None:
    """The sentence says which numbers are possible."""
    with pytest.raises(BadInput, match="0 to 100,000"):
        cast(1, count, NOON)
