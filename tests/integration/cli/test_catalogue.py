"""`meterdeck catalogue`, `catalogue plan` and `catalogue apply` on a local Stripe."""

import argparse
import json
import re
from dataclasses import replace

import pytest
from tests.integration.cli.conftest import CommandLine
from tests.support.contexts import redis_context
from tests.support.selling import Shop, declared, meter
from tests.support.stripe_account import Seller
from tests.support.stripe_faults import FaultServer, page

from meterdeck.core.errors import Refused
from meterdeck.core.model.context import Mode, Secret, StripeOptions
from meterdeck.core.services.engine import Engine
from meterdeck.core.settings import load_context
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.catalogue_apply import apply
from meterdeck.tui.cli.output import Output

CATALOGUE = """
[meters.tokens]
display_name = "Tokens"
[products.api]
name = "API"
[prices.unit]
product = "api"
meter = "tokens"
unit = "0.01 USD"
[prices.steps]
product = "api"
meter = "tokens"
mode = "graduated"
tiers = [
  { up_to = 1_000, unit = "0.01 USD", flat = "5 USD" },
  { up_to = "inf", unit = "0.001 USD" },
]
[prices.setup]
product = "api"
interval = "one_time"
unit = "1500 JPY"
"""


@pytest.fixture
def shop(stripe_cli: CommandLine) -> CommandLine:
    """A context that declares something to sell, and sells nothing yet."""
    declare(stripe_cli, CATALOGUE)
    return stripe_cli


def declare(cli: CommandLine, text: str) -> None:
    """Put another catalogue into the configuration."""
    before, *_ = cli.config.read_text().partition("# catalogue\n")
    cli.config.write_text(f"{before}# catalogue\n{text}")


def sell(cli: CommandLine, seller: Seller) -> None:
    """Sell what is declared, without a command."""
    Shop(seller.local).sell(load_context(config=cli.config).catalogue)


def bought(seller: Seller, lookup_key: str) -> str:
    """Subscribe somebody to a price; return its id."""
    listed = seller.local.call("GET", "/v1/prices", {"lookup_keys": [lookup_key]})
    price = str(json.loads(json.dumps(listed))["data"][0]["id"])
    customer = {"name": "Acme", "metadata": {"tenant": "acme"}}
    made = seller.local.call("POST", "/v1/customers", customer)
    seller.subscription(str(made["id"]), price)
    return price


def test_a_plan_is_shown_applied_and_then_empty(shop: CommandLine) -> None:
    """A line for each step; the operations' ids; twice changes nothing."""
    first = shop("catalogue", "plan")
    dry = shop("catalogue", "apply", "--dry-run")
    made = shop("catalogue", "apply")
    again = shop("catalogue", "apply")

    assert first.code == 1
    assert first.out == (
        "+  meter    tokens    Tokens, sum of value\n"
        "+  product  prod_api  API\n"
        "+  price    unit      0.01 USD a unit, monthly for tokens\n"
        "+  price    steps     graduated, monthly for tokens\n"
        "                        to 1,000  0.01 USD + 5.00 USD flat\n"
        "                        then      0.001 USD\n"
        "+  price    setup     1500 JPY, once\n"
        "5 to create\n"
    )
    assert (dry.code, dry.out) == (0, first.out)
    assert made.code == 0
    assert len(re.findall(r"(?m)^✓ \+ .*  operation \w{32}\.\d$", made.out)) == 5
    assert (again.code, again.out) == (0, "no difference: Stripe is as declared\n")


def test_a_replacement_says_what_differs_and_who_stays(
    shop: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """Old → new as money, tier by tier; for programs the same in parts."""
    sell(shop, stripe_server[0])
    price = bought(stripe_server[0], "unit")
    dear = CATALOGUE.replace('unit = "0.01', 'unit = "0.02', 1)
    declare(shop, dear.replace("5 USD", "4 USD"))

    plan = shop("catalogue", "plan")
    form = shop("catalogue", "plan", "--json").json
    done = shop("catalogue", "apply", "--json")

    steps = re.sub(r"price_\w+", "price_…", plan.out)
    assert steps == (
        "±  price  unit   0.01 USD a unit → 0.02 USD a unit\n"
        "                 1 subscription (acme) stays on price_…\n"
        "±  price  steps  graduated\n"
        "                   to 1,000  0.01 USD + 5.00 USD flat →"
        " 0.01 USD + 4.00 USD flat\n"
        "                   then      0.001 USD\n"
        "                 no subscription is on price_…\n"
        "2 to replace\n"
    )
    step = form["steps"][0]
    assert (step["do"], step["what"], step["name"]) == ("replace", "price", "unit")
    assert (step["id"], step["subscriptions"], step["tenants"]) == (price, 1, ["acme"])
    assert step["changes"] == [
        {
            "field": "amount",
            "before": {"currency": "usd", "form": "unit", "unit": "0.01"},
            "after": {"currency": "usd", "form": "unit", "unit": "0.02"},
        }
    ]
    assert done.code == 0
    assert [each["done"] for each in done.json["steps"]] == [True, True]


def test_a_run_that_stops_says_how_far_it_came(
    shop: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """What was done, what was not begun; the next one goes on from there."""
    local = stripe_server[0].local

    async def break_prices(method: str, path: str) -> None:
        if (method, path) == ("POST", "/v1/prices"):
            raise RuntimeError("the local Stripe answers 500 to this")

    local.pace = break_prices
    stopped = shop("catalogue", "apply")
    form = shop("catalogue", "apply", "--json")
    local.pace = None
    done = shop("catalogue", "apply")

    assert (stopped.code, form.code, done.code) == (3, 3, 0)
    assert "✗ + price unit  operation" in stopped.out
    assert "whether it was, the next plan says" in stopped.out
    assert "stopped: 2 steps were done, 2 were not begun; apply again" in stopped.err
    assert [each["done"] for each in form.json["steps"]] == [False, False, False]
    assert form.json["steps"][0]["error"]
    assert form.json["steps"][1]["operation_id"] is None


def test_what_cannot_be_done_is_said_and_nothing_is(
    shop: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """A meter's formula is for good; the rest of the plan waits."""
    stripe_server[0].meter("tokens", "last")

    done = shop("catalogue", "apply")
    sold = shop("catalogue", "--json").json

    assert done.code == 1
    assert "✗ meters.tokens: Stripe cannot change the formula of meter" in done.out
    assert "nothing was changed" in done.err
    assert [each["formula"] for each in sold["meters"]] == ["last"]
    assert sold["products"] == sold["prices"] == []


def test_the_catalogue_is_shown_as_stripe_has_it(
    shop: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """Prices with their tiers; what is archived with --all only."""
    seller = stripe_server[0]
    sell(shop, seller)
    over = seller.licensed_price("prod_api", lookup_key="over")
    seller.local.call("POST", f"/v1/prices/{over}", {"active": False})

    shown = shop("catalogue")
    form = shop("catalogue", "--all", "--json").json

    words = [" ".join(line.split()[:7]) for line in shown.out.splitlines()]
    assert "to 1,000 0.01 USD + 5.00 USD" in words
    assert "unit 0.01 USD a unit monthly tokens" in words
    assert "over" not in shown.out
    assert "1 price; to see them add --all" in shown.err
    forms = {each["lookup_key"]: each["form"] for each in form["prices"]}
    assert (forms["over"], forms["steps"]) == ("unit", "graduated")


def test_nothing_is_applied_where_nothing_may_be(shop: CommandLine) -> None:
    """A read-only context refuses, and one without Stripe has no catalogue."""
    refused = shop("catalogue", "apply", "--read-only")
    without = shop("catalogue", "plan", "--context", "staging")

    assert (refused.code, without.code) == (1, 1)
    assert "read-only" in refused.err
    assert "has no Stripe" in without.err


async def test_a_live_context_is_asked_about() -> None:
    """Where nobody can be asked and --yes is missing, nothing is sent."""
    nothing = page()
    async with FaultServer(nothing) as server:
        options = StripeOptions(Secret("sk_test_1"), api_base=server.base_url)
        context = replace(
            redis_context("redis://127.0.0.1:1/0"),
            mode=Mode.TEST,
            stripe=options,
            catalogue=declared(meter()),
        )
        args = argparse.Namespace(yes=False, dry_run=False)
        live = replace(context, mode=Mode.LIVE)
        async with Engine(context) as engine:  # a live one would ask Stripe
            with pytest.raises(Refused, match="add --yes"):
                await apply(Call(args, live, engine, Output(as_json=True)))

    assert {each.method for each in server.asked} == {"GET"}
