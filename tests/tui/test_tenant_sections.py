"""The screen of one tenant: an overview, and each part of it in full."""

from datetime import timedelta

from tests.support.tenants import but
from tests.tui.pictures import NOW, believable, first_picture
from tests.tui.support import Operator, operating

from meterdeck.core.model.billed import BilledSubscription, LatestInvoice
from meterdeck.core.model.changes import Override
from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.decisions import Refusal, RefusalRecord
from meterdeck.core.model.history import DAY, HOUR, Reading, Readings
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.tenant_history import (
    PastPeriod,
    ResourceHistory,
    Source,
    TenantHistory,
)
from meterdeck.core.model.usage import (
    Limit,
    LimitSource,
    ResourceName,
    Tenant,
    TenantStatus,
    Usage,
)
from meterdeck.tui.screens.tenant import TenantScreen

NOVEMBER = calendar_month(NOW)
CALLS = ResourceName("api_calls")


def history(operator: Operator, who: Tenant) -> TenantHistory:
    """Return a month of steady use, 100 an hour, twice that in the last hour."""
    resource = operator.runtime.context.resource(CALLS)  # type: ignore[union-attr]
    hours = int((NOW - NOVEMBER.start) / HOUR)
    taken = [Reading(NOVEMBER.start + n * HOUR, 100 * n) for n in range(0, hours, 24)]
    taken = [each for each in taken if each.at < NOW - 2 * HOUR]
    taken += [Reading(NOW - HOUR, 100 * hours), Reading(NOW, 100 * hours + 200)]
    used = taken[-1].value
    usage = Usage(who.id, CALLS, NOVEMBER, used, Limit(60_000, LimitSource.PLAN))
    october = calendar_month(NOVEMBER.start - DAY)
    past = PastPeriod(october, 45_500, 50_000, True, Source.COUNTER)
    found = ResourceHistory(resource, usage, NOW, Readings(tuple(taken)), (), (past,))
    return TenantHistory(who, NOW, (found,))


def fill(operator: Operator, who: Tenant) -> None:
    """Let the engine know everything about a tenant."""
    engine, soon = operator.engine, NOW + timedelta(hours=30.5)
    engine.history.known[who.id] = history(operator, who)
    engine.refused = (
        RefusalRecord(
            NOW, CALLS, Refusal.OVER_LIMIT, 59_990, 20, 60_000, LimitSource.PLAN,
            NOVEMBER, "req-71",
        ),
    )  # fmt: skip
    why = "a launch until Friday"
    override = Override(who.id, CALLS, 150_000, "ana", why, NOW, soon)
    engine.found_overrides = (FoundOverride(who.id, CALLS, override),)
    invoice = LatestInvoice("in_9", "open", 4_900, "usd", 2, NOW + DAY)
    billed = BilledSubscription(
        "sub_1", "cus_1", TenantStatus.PAST_DUE, "usd", (),
        cancel_at=NOW + 3 * DAY, canceled_at=NOW - DAY, invoice=invoice,
    )  # fmt: skip
    engine.costs.known[who.id] = TenantCost(who, NOW, billed=billed)


async def test_one_walks_through_the_sections_of_a_tenant() -> None:
    """Burn rates, the curve, who pays, what ends, who was refused; Esc comes back."""
    (who,) = believable(1)
    who = but(who, status=TenantStatus.PAST_DUE)
    async with operating(first_picture([who])) as operator:
        fill(operator, who)
        await operator.press("enter")
        overview = await operator.sees("Burn rate")
        assert "200/h" in overview
        assert "108/h" in overview
        assert "Audit trail" in overview

        await operator.press("h")
        past = await operator.sees("earlier periods")
        assert "91%" in past
        assert "45,500 of 50,000" in past
        assert "Audit trail" not in past
        assert "┄┄┄" in past

        await operator.press("right_square_bracket", "tab")
        paid = await operator.sees("49.00 USD due, 2 attempts, tried again 23 Nov")
        assert "asked for 21 Nov" in paid
        assert "by ana, 22 Nov: a launch until Friday" in paid
        assert "in 1d 6h; then" in paid

        await operator.press("right_square_bracket")
        assert "call req-71" in await operator.sees("59,990 + 20 > 60,000")
        await operator.press("escape")
        await operator.sees("Burn rate")
        await operator.press("shift+tab")
        assert "Meter events" not in await operator.sees("Audit trail")
        await operator.press("escape", "escape")
        await operator.sees("TENANT · worst")


async def test_that_a_tenant_has_no_override_is_said_when_that_was_read() -> None:
    """Else why it could not be; what is broken is no override, and is not hidden."""
    (who,) = believable(1)
    none = "none: the plan's limits hold"
    async with operating(first_picture([who])) as operator:
        operator.engine.overrides_away = "Redis does not answer: timed out"
        await operator.press("enter", "h", "right_square_bracket", "tab")
        await operator.sees("! Redis does not answer: timed out")
        assert none not in operator.text()

        operator.engine.overrides_away = ""
        screen = operator.app.screen
        assert isinstance(screen, TenantScreen)
        screen.read_records()
        assert "does not answer" not in await operator.sees(none)

        why = "its limit is many: calls that need it fail"
        broken = FoundOverride(who.id, CALLS, None, problem=why)
        operator.engine.found_overrides = (broken,)
        screen.read_records()
        assert none not in await operator.sees(f"! API calls: {why}")
