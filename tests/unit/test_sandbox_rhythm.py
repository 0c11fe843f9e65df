"""The sequence and the pace of the sandbox's calls."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from meterdeck.core.model.usage import TenantStatus
from meterdeck.core.sandbox.cast import cast
from meterdeck.core.sandbox.catalogue import API_CALLS, IMAGES, STORAGE_GB
from meterdeck.core.sandbox.rhythm import calls, day_rhythm, weights
from meterdeck.core.sandbox.roles import JAPANESE

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FLEET = list(cast(1, 60, NOON))


def test_the_same_seed_gives_the_same_calls() -> None:
    """Two sandboxes of one seed play the same traffic."""
    one, other = (list(islice(calls(5, FLEET), 2_000)) for _ in range(2))

    assert one == other


def test_another_seed_gives_other_calls() -> None:
    """The sequence belongs to the seed."""
    one, other = (list(islice(calls(seed, FLEET), 200)) for seed in (5, 6))

    assert one != other


def test_few_tenants_make_most_of_the_calls() -> None:
    """The busiest fifth makes more than half; most tenants are heard at all."""
    heard = Counter(call.tenant for call in islice(calls(1, FLEET), 20_000))
    busiest = sum(count for _, count in heard.most_common(len(FLEET) // 5))

    assert busiest > 10_000
    assert len(heard) > 40


def test_a_tenant_with_a_promised_share_gets_it() -> None:
    """The role that runs into its limit makes its 5 % of the calls."""
    heard = Counter(call.tenant for call in islice(calls(1, FLEET), 20_000))

    assert heard[JAPANESE.id] == pytest.approx(1_000, rel=0.25)


def test_canceled_tenants_make_no_calls() -> None:
    """Their applications are gone."""
    gone = {each.company.id for each in FLEET if each.status is TenantStatus.CANCELED}
    heard = {call.tenant for call in islice(calls(1, FLEET), 20_000)}

    assert gone
    assert not gone & heard


def test_every_resource_is_used_and_every_call_is_an_api_call() -> None:
    """Uploads and images come with the call that asked for them."""
    some = list(islice(calls(1, FLEET), 2_000))

    assert all(call.amounts[API_CALLS] == 1 for call in some)
    assert {STORAGE_GB, IMAGES} <= {name for call in some for name in call.amounts}
    assert all(amount > 0 for call in some for amount in call.amounts.values())


def test_bursts_come_faster_than_the_rest_and_the_mean_pace_is_kept() -> None:
    """Some calls belong to a burst; over a long time the rate is the one asked for."""
    some = list(islice(calls(1, FLEET), 50_000))
    bursting = sum(call.speed > 1.5 for call in some)

    assert 0.05 < bursting / len(some) < 0.4
    assert sum(1 / call.speed for call in some) / len(some) == pytest.approx(
        1, rel=0.05
    )


def test_weights_are_shares_of_one() -> None:
    """Promised shares and the crowd's together are all calls."""
    assert sum(weights(FLEET)) == pytest.approx(1)
    assert sum(weights(FLEET[:1])) == pytest.approx(1)


def test_a_fleet_without_callers_makes_no_calls() -> None:
    """Nobody, and only silent ones: both end at once."""
    silent = [each for each in FLEET if each.status is TenantStatus.CANCELED]

    assert list(islice(calls(1, []), 1)) == []
    assert list(islice(calls(1, silent), 1)) == []


def test_the_afternoon_is_busier_than_the_night_and_a_day_is_one_day() -> None:
    """The mean of the rhythm over a day is 1, its extremes are 12 hours apart."""
    midnight = NOON.replace(hour=0)
    hours = [day_rhythm(midnight + timedelta(hours=hour)) for hour in range(24)]

    assert sum(hours) / 24 == pytest.approx(1)
    assert hours.index(max(hours)) == 14
    assert hours.index(min(hours)) == 2
    assert min(hours) > 0.4
