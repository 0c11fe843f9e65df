"""The forms that create a meter and a price, step by step."""

from decimal import Decimal
from typing import cast

from tests.support.stripe_side import running_stripe
from tests.tui.catalogue_pictures import CALLS, PLATFORM, TIERS
from tests.tui.pictures import ACTOR, context
from tests.tui.scripted_runtime import ScriptedRuntime
from tests.tui.support import Operator
from tests.tui.test_catalogue_screen import looking
from textual.widgets import Button, Input

from meterdeck.core.model.catalogue import MeterSpec
from meterdeck.core.model.context import Mode
from meterdeck.core.model.prices import Formula, PerUnit, Tiered, TiersMode
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.dialogs.price_form import PriceForm
from meterdeck.tui.runtime import EngineRuntime


def write(operator: Operator, **fields: str) -> None:
    """Put texts into inputs, as if they were pasted."""
    for name, text in fields.items():
        field = operator.app.screen.query_one(f"#{name}", Input)
        field.value, field.cursor_position = text, len(text)


async def test_a_graduated_price_is_drawn_while_it_is_typed_and_then_created() -> None:
    """The text to paste is shown first; Cancel has the focus; Enter creates nothing."""
    async with looking() as operator:
        await operator.press("down", "n")
        await operator.sees("Prices of api_requests")
        assert "a lookup key is missing" in operator.text()
        write(operator, lookup_key="calls_each")
        await operator.sees("calls_each is the key of price_calls_each")
        await operator.press("ctrl+n")
        assert "Prices of api_requests" in operator.text()
        write(operator, lookup_key="calls_2027")
        await operator.press("ctrl+n", "right", "right", "tab")
        write(operator, **{"tier-0": "1,000 0.01"})
        await operator.sees("'0.01' is no amount of money")
        await operator.type(" USD")
        await operator.press("enter")
        write(operator, **{"tier-1": "10,000 0.005 USD + 5 USD"})
        write(operator, **{"tier-2": "inf 0.001 USD"})
        await operator.sees("25,000 cost")
        text = operator.text()
        assert "10,000 cost 60.00 USD" in text
        assert "USD └" in text

        await operator.press("ctrl+n")
        text = await operator.sees("To declare it")
        assert "[prices.calls_2027]" in text
        assert 'up_to = 10000, unit = "0.005 USD", flat = "5 USD"' in text
        assert operator.app.focused is operator.app.screen.query_one("#cancel", Button)
        await operator.press("ctrl+s")
        ((spec, product, meter),) = operator.engine.catalogue.prices
        assert spec.form == Tiered(TiersMode.GRADUATED, TIERS)
        assert (spec.lookup_key, product, meter) == (
            "calls_2027",
            PLATFORM.id,
            CALLS.id,
        )
        await operator.until(lambda: "created: price_new" in operator.notices())
        assert operator.engine.catalogue.reads == 2


async def test_a_fee_of_a_new_product_is_created_in_a_live_context() -> None:
    """Product first, under an id of the same operation; the name is typed, at 80×24."""
    live = context(Mode.LIVE, name="production")
    async with looking(of=live, size=(80, 24)) as operator:
        await operator.press("n", "right")
        write(operator, new_product="Support", lookup_key="support")
        await operator.press("tab", "tab", *["right"] * 3, "ctrl+n")
        write(operator, amount="99 EUR")
        await operator.press("ctrl+n", "ctrl+s")
        assert isinstance(operator.app.screen, PriceForm)
        assert "this is live: type production above" in operator.text()
        await operator.press("pagedown")
        await operator.sees('unit = "99 EUR"')
        write(operator, typed="production")
        await operator.press("ctrl+s")

        (product, price) = operator.engine.catalogue.done
        assert product == ("create product", "prod_support", f"{price[2]}.product")
        ((spec, product_id, meter),) = operator.engine.catalogue.prices
        assert spec.form == PerUnit(Decimal(9_900))
        assert (product_id, meter) == ("prod_support", "")


async def test_a_meter_is_shown_by_an_event_that_it_counts() -> None:
    """What is missing or taken is said; ctrl+y copies the text."""
    async with looking() as operator:
        await operator.press("m")
        write(operator, event_name="images")
        await operator.sees("the meter Images has this event name")
        await operator.type("_v2")
        await operator.press("enter", "enter", "right", "right")
        await operator.sees('"event_name": "images_v2"')
        await operator.press("ctrl+n", "ctrl+y")
        assert "[meters.images_v2]" in operator.app.clipboard
        await operator.press("ctrl+s")

        assert operator.engine.catalogue.meters == [
            MeterSpec("images_v2", "images_v2", "images_v2", Formula.LAST)
        ]


async def test_what_is_created_over_http_is_there_and_can_be_ended(
    valkey_server: Valkey,
) -> None:
    """The real engine in its thread, on a local Stripe: create, look, deactivate."""
    async with running_stripe() as stripe:
        stripe.subscribed("acme")
        context = stripe.context(valkey_server.url)
        runtime = EngineRuntime(lambda: context)
        app = ConsoleApp(runtime, actor=lambda: ACTOR, environ={"TERM": "xterm"})
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            operator = Operator(app, pilot, cast("ScriptedRuntime", runtime))
            await operator.until(lambda: app.picture is not None and app.picture.loaded)
            await operator.press("c")
            await operator.sees("─ pro_monthly")
            await operator.sees("Tenants  1")
            assert operator.line_with("─ pro_monthly")[:60].split()[-1] == "1"

            await operator.press("n")
            await operator.sees("Create a price")
            write(operator, lookup_key="by_unit")
            await operator.press("ctrl+n")
            write(operator, amount="0.001 USD")
            await operator.press("ctrl+n", "ctrl+s")
            await operator.sees("─ by_unit")
            await operator.press("x")
            await operator.sees("Deactivate a meter")
            await operator.press("ctrl+s")
            await operator.sees("○ api_requests")
            runtime.stop()

        sold = stripe.local.call("GET", "/v1/prices", {"lookup_keys": ["by_unit"]})
        assert "'unit_amount_decimal': '0.1'" in str(sold)
        assert f"'meter': '{stripe.meter}'" in str(sold)
        meter = stripe.local.call("GET", f"/v1/billing/meters/{stripe.meter}", {})
        assert meter["status"] == "inactive"
