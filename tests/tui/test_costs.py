"""Costs in the console: the panel of a tenant's screen, and what if."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from tests.tui.pictures import API, NOW, context, tenant, update
from tests.tui.support import Operator, operating

from meterdeck.core.errors import NotFound, StripeUnreachable
from meterdeck.core.model.billed import BilledItem
from meterdeck.core.model.costs import (
    Basis,
    Forecast,
    ForecastBasis,
    ItemCost,
    Measured,
    TenantCost,
)
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.prices import PerUnit, PriceInfo
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.model.what_if import WhatIf

ACME = tenant("acme", "Acme Robotics")
START, END = NOW - timedelta(days=10), NOW + timedelta(days=20)


def item(label: str, cents: str, quantity: str, *, meter: str = "") -> ItemCost:
    """Return an item of a third of a period."""
    price = PriceInfo("price_1", "", "usd", PerUnit(Decimal(cents)), meter_id=meter)
    used = Decimal(quantity)
    end = used * 3 if meter else used
    basis = ForecastBasis.PACE if meter else ForecastBasis.QUANTITY
    return ItemCost(
        BilledItem("si_1", price, None, START, END),
        label,
        Measured(used, Basis.COUNTER if meter else Basis.QUANTITY),
        Forecast(end, basis),
        unit="call" if meter else "",
        resources=(API.name,) if meter else (),
        event_name=meter,
    )


COST = TenantCost(
    ACME, NOW, (item("Pro", "9900", "1"), item("API calls", "0.1", "25000", meter="m"))
)


def fleet() -> WatchUpdate:
    """Return a fleet of one."""
    return update(tenants=(ACME,))


async def opened(operator: Operator, cost: TenantCost = COST) -> None:
    """Open the tenant's screen."""
    operator.engine.costs.known["acme"] = cost
    await operator.press("enter")


async def test_the_tenant_screen_shows_what_the_period_costs() -> None:
    """So far, by its end, the next unit and the next thousand, and by whose word."""
    async with operating(fleet(), size=(120, 40)) as operator:
        await opened(operator)

        assert "until 12 Dec, " in operator.line_with(" Cost")
        row = operator.line_with("API calls       25,000 call")
        assert row.split()[4:8] == ["25.00", "USD", "75.00", "USD"]
        assert row.split()[8:] == ["0.001", "USD", "1.00", "USD", "counter"]
        assert "124.00 USD  174.00 USD" in operator.line_with("together")


async def test_on_a_short_terminal_the_cost_is_a_line() -> None:
    """80 by 24 has room for the sum, and keeps events and trail."""
    async with operating(fleet(), size=(80, 24)) as operator:
        await opened(operator)

        line = operator.line_with(" Cost")
        assert "124.00 USD so far · 174.00 USD by 12 Dec" in line
        assert "Meter events" in operator.text()
        assert "Audit trail" in operator.text()

        await operator.pilot.resize_terminal(120, 40)
        await operator.sees("together")


async def test_without_stripe_there_is_no_cost_and_nobody_asks() -> None:
    """Neither the panel nor the key."""
    async with operating(fleet(), of=replace(context(), stripe=None)) as operator:
        await opened(operator)

        assert " Cost" not in operator.text()
        assert "what if" not in operator.text()
        assert operator.engine.costs.asked == []
        await operator.press("w")
        assert "has no Stripe, so nothing has a price" in operator.notices()


async def test_what_cannot_be_reckoned_is_said() -> None:
    """Stripe out of reach; and a sum in which an item is missing is a lower bound."""
    lost = Measured(None, Basis.STRIPE, problem="Stripe has no meter m")
    partly = replace(COST.items[1], measured=lost, forecast=None)
    async with operating(fleet(), size=(120, 40)) as operator:
        operator.engine.costs.error = StripeUnreachable("Stripe does not answer")
        await opened(operator, replace(COST, items=(COST.items[0], partly)))
        assert "! Stripe does not answer" in operator.line_with(" Cost")

        operator.engine.costs.error = None
        await operator.press("escape", "enter")

        assert "≥ 99.00 USD  ≥ 99.00 USD" in operator.line_with("together")
        assert "API calls       ✗ Stripe has no meter m" in operator.text()


async def test_what_if_shows_the_difference_while_typing() -> None:
    """Nothing is asked for half a number; esc leaves everything as it was."""
    async with operating(fleet(), size=(80, 24)) as operator:
        await opened(operator)
        await operator.press("w", "down", "down", "down")
        await operator.type("500,000")
        text = await operator.sees("+425.00 USD")

        assert "75,000 at this pace" in text
        assert "esc close" in text, "all of the dialog fits on 24 lines"
        wanted = WhatIf(usage={API.name: Decimal(500_000)})
        assert operator.engine.costs.asked[-1] == wanted
        await operator.press("escape")
        assert "What if" not in operator.text()


async def test_what_if_asks_what_resources_on_one_meter_use_together() -> None:
    """What is typed beside the meter's name is for all that it counts."""
    both = replace(COST.items[1], label="m", resources=(API.name, ResourceName("b")))
    async with operating(fleet(), size=(80, 24)) as operator:
        await opened(operator, replace(COST, items=(both,)))
        await operator.press("w", "down", "down", "down")
        await operator.type("500,000")
        wanted = WhatIf(usage={"m": Decimal(500_000)})

        await operator.until(lambda: operator.engine.costs.asked[-1:] == [wanted])


async def test_what_if_says_what_cannot_be_told() -> None:
    """A quantity that is none, a price nobody has; a plan is asked for by name."""
    async with operating(fleet(), size=(120, 40)) as operator:
        await opened(operator)
        operator.engine.costs.error = NotFound("neither has a price no")
        await operator.press("w", "right", "right")
        await operator.press("down")
        await operator.type("no")
        # On a slow machine it is asked before the last letter is typed, too.
        wanted = WhatIf(plan="pro", prices=("no",))
        await operator.until(lambda: operator.engine.costs.asked[-1] == wanted)
        await operator.sees("neither has a price no")

        await operator.press("down", "down")
        await operator.type("x")
        await operator.sees("'x' is not a quantity")
