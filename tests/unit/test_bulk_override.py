"""What one change of many limits makes of each, and who feels it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from meterdeck.core.errors import BadInput, RedisUnreachable, Refused, UnknownOutcome
from meterdeck.core.model.bulk_override import (
    BulkDone,
    BulkOrder,
    Candidate,
    Fate,
    parse_limit_change,
    preview,
    preview_removal,
)
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    ResourceName,
    TenantId,
)
from meterdeck.core.services.bulk_overrides import LANES, NOT_TRIED, BulkOverrides

ACTOR = Actor("ana", "local")


def candidate(
    name: str,
    used: int | Broken | None,
    limit: int | None,
    rule: LimitRule = PLAIN,
) -> Candidate:
    """A tenant with a plan's limit."""
    plan = Limit(limit, LimitSource.PLAN)
    return Candidate(TenantId(name), name, used, plan, rule, plan)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("2,000", 7, 2000), ("unlimited", 7, None), ("∞", 7, None),
        ("×1.5", 100, 150), ("x2", 100, 200), ("*0.8", 100, 80),
        ("+20%", 4, 5), ("+20 %", 100, 120), ("-10%", 9, 8), ("−100%", 9, 0),
        ("+0.5%", 1000, 1005), ("x0", 5, 0), ("x1.0001", 3, 4), ("0", 5, 0),
    ],
)  # fmt: skip
def test_a_new_limit_is_given_outright_or_by_the_present_one(
    text: str, before: int, after: int | None
) -> None:
    """Parts of a unit are rounded up where a limit is raised, down where lowered."""
    assert parse_limit_change(text).of(before) == after


@pytest.mark.parametrize("text", ["", "-5", "+20", "x", "x-1", "1e9%", "-101%", "lots"])
def test_what_is_no_limit_is_refused_with_what_would_be_right(text: str) -> None:
    """The sentence names a form that can be written."""
    with pytest.raises(BadInput, match=r"1500|2000|-100%|0 or more"):
        parse_limit_change(text)


def test_a_limit_is_read_in_the_resources_own_decimals() -> None:
    """1.5 of a resource with a scale of 3 is 1,500 of the smallest unit."""
    assert parse_limit_change("1.5", 3).units == 1500
    assert parse_limit_change("x1.5", 3).of(1000) == 1500


def test_the_preview_says_who_goes_from_refused_to_allowed_and_back() -> None:
    """By the rule of each: a soft limit refuses nobody, one of 0 everybody."""
    soft = LimitRule(Enforcement.SOFT)
    found = preview(
        [
            candidate("full", 100, 100),
            candidate("over", 130, 100),
            candidate("soft", 130, 100, soft),
            candidate("half", 50, 100),
            candidate("large", 119, 500),
            candidate("blocked", None, 0),
            candidate("free", 7, None),
            candidate("broken", Broken("a list"), 100),
        ],
        parse_limit_change("119"),
    )

    fates = {each.tenant: each.fate for each in found.changes}
    freed, caught, same = Fate.FREED, Fate.CAUGHT, Fate.SAME
    assert fates == {
        "full": freed, "over": same, "soft": same, "half": same, "large": caught,
        "blocked": freed, "free": same, "broken": same,
    }  # fmt: skip
    assert (found.raised, found.lowered) == (6, 2)
    assert [each.tenant for each in found.meeting(caught)] == ["large"]


def test_what_cannot_be_multiplied_is_left_out() -> None:
    """Unlimited stays unlimited, and no limit passes the largest there is."""
    found = preview(
        [
            candidate("free", 7, None),
            candidate("vast", 7, LARGEST),
            candidate("acme", 7, 5),
        ],
        parse_limit_change("x2"),
    )

    assert [(each.tenant, each.after) for each in found.changes] == [("acme", 10)]
    assert [(each.tenant, each.why) for each in found.left_out] == [
        ("free", "unlimited"),
        ("vast", "beyond the largest limit"),
    ]


def test_without_its_override_a_tenant_has_its_plans_limit_again() -> None:
    """Left out is who has none; what the plan allows decides who is refused then."""
    plan, own = Limit(100, LimitSource.PLAN), Limit(200, LimitSource.OVERRIDE)
    over, high = (
        replace(candidate(name, 150, 100), limit=limit, without=plan)
        for name, limit in (("over", own), ("high", plan))
    )

    found = preview_removal([over, high, candidate("plain", 5, 100)])

    assert [(each.tenant, each.after, each.fate) for each in found.changes] == [
        ("over", 100, Fate.CAUGHT)
    ]
    assert {each.why for each in found.left_out} == {"no override"}


class Store:
    """Takes overrides as the engine does; fails where it is told to."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors
        self.ids: dict[str, str] = {}
        self.calls = 0

    async def set_override(
        self, tenant: str, resource: str, units: int | None, **parts: Any
    ) -> None:
        self.calls += 1
        await asyncio.sleep(0)
        if tenant in self.errors:
            raise self.errors[tenant]
        self.ids[tenant] = parts["operation_id"]


def order(count: int) -> BulkOrder:
    """An order for tenants t1 to tN."""
    limits = tuple((TenantId(f"t{n}"), n) for n in range(1, count + 1))
    return BulkOrder(ResourceName("calls"), limits, datetime.now(UTC), "load test")


async def perform(store: Store, count: int) -> BulkDone:
    """Carry an order out under the id `op`."""
    bulk = BulkOverrides(store)  # type: ignore[arg-type]
    return await bulk.perform(order(count), actor=ACTOR, operation_id="op")


async def test_a_refused_tenant_keeps_no_other_from_its_change() -> None:
    """All have the one id, which counts once for each: asking again is safe."""
    store = Store(t2=Refused("not this one"))

    done = await perform(store, 40)
    again = await perform(store, 40)

    assert done == again
    assert done.failed == (("t2", "not this one"),)
    assert store.ids == {f"t{n}": "op" for n in range(1, 41) if n != 2}


async def test_a_server_that_is_away_ends_it_and_the_rest_is_told() -> None:
    """What failed comes first, then what was not tried."""
    store = Store(t3=RedisUnreachable("refused"))

    done = await perform(store, 100)

    assert store.calls <= 3 + 2 * LANES
    assert done.failed[0] == ("t3", "refused")
    assert {why for _, why in done.failed[1:]} == {NOT_TRIED}
    assert len(done.done) + len(done.failed) == 100


async def test_a_lost_answer_is_said_with_the_id_that_makes_asking_again_safe() -> None:
    """Whatever else failed: of that one nobody knows."""
    store = Store(t1=UnknownOutcome("it", "op"), t4=RedisUnreachable("refused"))

    with pytest.raises(UnknownOutcome) as lost:
        await perform(store, 9)

    assert lost.value.operation_id == "op"
