"""What the console shows of a limit's rule, of use beyond it, and of refusals."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.tenants import but
from tests.tui.pictures import (
    API,
    IMAGES,
    NOW,
    STORAGE,
    believable,
    context,
    counters,
    update,
)
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Refusal, RefusalRecord
from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month, current_period
from meterdeck.core.model.standing import Standing, UseBeyond
from meterdeck.core.model.usage import (
    Limit,
    LimitSource,
    Plan,
    PlanName,
    Resource,
    Usage,
)
from meterdeck.tui.render import Level, level_at
from meterdeck.tui.widgets.refusal_log import RefusalLog

SOFT, SHADOW = LimitRule(Enforcement.SOFT), LimitRule(Enforcement.SHADOW)
GRACE = LimitRule(Enforcement.HARD, 10, 48)
WHO = believable()[0]
MONTH = calendar_month(NOW)


def ruled(api: LimitRule = PLAIN, storage: LimitRule = PLAIN) -> Context:
    """Return a context whose limits have these rules."""
    resources = (replace(API, rule=api), replace(STORAGE, rule=storage), IMAGES)
    return replace(context(), resources=resources)


def standing(
    resource: Resource, rule: LimitRule, beyond: UseBeyond, reserved: int = 0
) -> Standing:
    """Return what a close look at the first tenant finds."""
    period = current_period(resource.period, WHO.cycle, NOW)
    limit = Limit(WHO.limits[resource.name], LimitSource.PLAN)
    usage = Usage(WHO.id, resource.name, period, 1, limit, reserved)
    return Standing(usage, rule, beyond)


async def look(operator: Operator, *found: Standing) -> None:
    """Have the next close look find this."""
    operator.engine.standing = found
    operator.app.screen.look_closely()  # type: ignore[attr-defined]  # an area
    await operator.until(lambda: bool(operator.app.picture.standings))  # type: ignore[union-attr]  # loaded


@pytest.mark.parametrize(
    ("rule", "used", "limit", "level"),
    [
        (PLAIN, 99, 100, Level.HIGH),
        (PLAIN, 100, 100, Level.FULL),
        (PLAIN, 0, 0, Level.FULL),
        (SOFT, 100, 100, Level.HIGH),
        (SOFT, 101, 100, Level.OVER),
        (SOFT, 0, 0, Level.FULL),
        (SHADOW, 500, 100, Level.OVER),
        (SHADOW, 1, 0, Level.OVER),
        (GRACE, 109, 100, Level.OVER),
        (GRACE, 110, 100, Level.FULL),
        (LimitRule(grace_hours=1), 900, 100, Level.OVER),
    ],
)
def test_a_limit_that_lets_calls_pass_is_not_called_full(
    rule: LimitRule, used: int, limit: int, level: Level
) -> None:
    """FULL means that calls are refused; a limit of 0 blocks but in shadow."""
    assert level_at(used, limit, rule) is level


async def test_a_plain_limit_is_named_by_its_plan_alone() -> None:
    """What is as everywhere needs no word."""
    async with operating(fleet_update()) as operator:
        assert "plan pro · resets 1 Dec in 8d 9h" in operator.text()
        assert "plan pro," not in operator.text()


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_soft_limit_shows_what_is_over_and_that_it_is_allowed(
    size: tuple[int, int],
) -> None:
    """In table and detail: a word, not colour alone."""
    async with operating(fleet_update(), of=ruled(SOFT), size=size) as operator:
        assert "OVER" in operator.line_with("Northwind Traders")
        assert "FULL" not in operator.line_with("Northwind Traders")
        assert "4,000 over · plan pro, soft" in operator.text()


async def test_a_plans_own_rule_counts_for_its_tenants() -> None:
    """The directory entry's rule, where the tenant's plan has one."""
    plain = context()
    pro = plain.plans[PlanName("pro")]
    plans = {
        **plain.plans,
        pro.name: Plan(pro.name, "Pro", pro.limits, {API.name: SOFT}),
    }
    first = fleet_update()
    tenants = tuple(
        but(each, rules={API.name: SOFT}) if each.plan == "pro" else each
        for each in first.tenants
    )
    async with operating(
        replace(first, tenants=tenants), of=replace(plain, plans=plans)
    ) as operator:
        assert "4,000 over · plan pro, soft" in operator.text()


async def test_a_running_grace_says_when_it_ends_and_an_ended_one_is_full() -> None:
    """Told by when the limit was first passed in the period."""
    moved = update(counters=(counters(1, {WHO.id: 53_000}),))
    async with operating(fleet_update(), moved, of=ruled(storage=GRACE)) as operator:
        passed = UseBeyond(NOW - timedelta(hours=17))
        await look(operator, standing(STORAGE, GRACE, passed))
        await operator.press("enter")
        await operator.sees("plan pro, grace 10 % 48 h · grace ends in 1d 6h")
        assert "OVER allowed" in operator.line_with("53 / 50.5")

        operator.app.picture.standings.clear()  # type: ignore[union-attr]  # loaded
        passed = UseBeyond(NOW - timedelta(hours=49))
        await look(operator, standing(STORAGE, GRACE, passed))
        await operator.sees("grace ended 22 Nov")
        assert "FULL at limit" in operator.line_with("53 / 50.5")


async def test_shadow_says_what_a_hard_limit_would_have_refused() -> None:
    """Calls and units, beside the rule."""
    async with operating(fleet_update(), of=ruled(SHADOW)) as operator:
        beyond = UseBeyond(None, 12, 440)
        await operator.press("enter")
        await look(operator, standing(API, SHADOW, beyond))

        await operator.sees("plan pro, shadow · would refuse 12 calls of 440")


async def test_units_that_are_only_reserved_are_told() -> None:
    """They count already, and may come back."""
    async with operating(fleet_update()) as operator:
        await look(operator, standing(API, PLAIN, UseBeyond(), reserved=300))

        await operator.sees("plan pro · 300 reserved")


async def test_a_blocked_resource_says_so() -> None:
    """Its limit is 0, whatever was used."""
    who = but(WHO, limits={**WHO.limits, API.name: 0})
    first = fleet_update()
    async with operating(
        replace(first, tenants=(who, *first.tenants[1:])), size=(128, 38)
    ) as operator:
        operator.app.open_tenant(who.id)

        await operator.sees("FULL blocked")


async def test_what_was_found_of_one_tenant_is_not_shown_of_another() -> None:
    """The close look is of the tenant it was made at, in its period."""
    async with operating(fleet_update()) as operator:
        await look(operator, standing(API, PLAIN, UseBeyond(), reserved=300))
        await operator.sees("300 reserved")
        await operator.press("down")

        await operator.until(lambda: "300 reserved" not in operator.text())


def refusal(
    number: int, resource: Resource, reason: Refusal, *numbers: int
) -> RefusalRecord:
    """Return a refusal `number` seconds ago: used, wanted, limit."""
    before, cost, limit = numbers
    at = NOW - timedelta(seconds=number)
    return RefusalRecord(
        at, resource.name, reason, before, cost, limit, LimitSource.PLAN, MONTH, ""
    )


REFUSALS = (
    refusal(14, API, Refusal.OVER_LIMIT, 99_990, 20, 100_000),
    refusal(60, STORAGE, Refusal.LARGER_THAN_LIMIT, 12, 60_000, 50_500),
    refusal(90_000, IMAGES, Refusal.BLOCKED, 0, 1, 0),
)


@pytest.mark.parametrize("size", [(140, 40), (80, 24)])
async def test_refusals_of_the_tenant_come_with_the_numbers(
    size: tuple[int, int],
) -> None:
    """Used + wanted > allowed, and by which rule; as many as there is room for."""
    async with operating(fleet_update(), size=size) as operator:
        operator.engine.refused = REFUSALS
        await operator.press("enter")
        text = await operator.sees("Refusals")

        assert "99,990 + 20 > 100,000  too little left  plan" in text
        assert "0.012 + 60 > 50.5  more than the limit" in text
        assert ("21 Nov ✗ Images" in text) == (size[1] > 30)
        assert "the last 1" in operator.line_with("Refusals")
        assert "Meter events" in text
        assert "Audit trail" in text


async def test_without_a_refusal_there_is_no_room_taken_for_any() -> None:
    """The screen is as calm as before."""
    async with operating(fleet_update()) as operator:
        await operator.press("enter")
        await operator.sees("Audit trail")

        assert not operator.app.screen.query_one(RefusalLog).display
        assert "Refusals" not in operator.text()


async def test_a_resource_that_is_not_configured_any_more_is_shown_by_its_name() -> (
    None
):
    """A record outlives the configuration; its name is data."""
    odd = replace(REFUSALS[0], resource="old\x1b[2J")  # type: ignore[arg-type]  # hostile
    async with operating(fleet_update()) as operator:
        operator.engine.refused = (odd,)
        await operator.press("enter")

        await operator.sees("old␛[2J")
