"""Single meters and prices from the command line, against a local Stripe."""

import pytest
from tests.integration.cli.conftest import CommandLine
from tests.support.proxy import Proxy
from tests.support.stripe_account import Seller

METER = ("catalogue", "meter")
PRICE = ("catalogue", "price")
ONCE = ("--operation-id", "op-1", "--json")


def test_a_meter_and_its_price_are_created_once_and_printed_as_tables(
    stripe_cli: CommandLine,
) -> None:
    """A dry run creates nothing; what is pasted declares what was created."""
    meter = (*METER, "create", "tokens", "--display-name", "Tokens")
    of = ("--new-product", "The AI", "--meter", "tokens", "--mode", "graduated")
    tiers = ("--tier", "1,000 0.01 USD", "--tier", "inf 0.001 USD + 5 USD")
    price = (*PRICE, "create", "tokens_1", *of, *tiers)

    foreseen = stripe_cli(*meter, "--dry-run")
    missing = stripe_cli(*price)
    made = [stripe_cli(*meter, *ONCE).json for _ in range(2)]
    sold = [stripe_cli(*price, *ONCE).json for _ in range(2)]

    assert foreseen.out == '[meters.tokens]\ndisplay_name = "Tokens"\n'
    assert missing.code == 1
    assert made[0] == made[1]
    assert sold[0] == sold[1]
    assert sold[0]["price"]["tiers"][1] == {"up_to": None, "unit": "0.001", "flat": "5"}
    assert sold[0]["price"]["product"] == "prod_the_ai"
    stripe_cli.config.write_text(
        stripe_cli.config.read_text() + made[0]["toml"]
        + sold[0]["toml"].replace(made[0]["toml"], "")
    )  # fmt: skip
    assert stripe_cli("catalogue", "plan").code == 0


def test_a_price_whose_product_was_lost_is_repeated_by_the_id_that_is_named(
    stripe_cli: CommandLine, stripe_link: Proxy
) -> None:
    """It is the operation's, not that of the product's part of it."""
    price = (*PRICE, "create", "seats", "--new-product", "The AI", "--unit", "1 USD")

    stripe_link.lose(b"POST /v1/products", before=True)
    lost = stripe_cli(*price, *ONCE)
    again = stripe_cli(*price, *ONCE)

    assert (lost.code, lost.json["error"]["operation_id"]) == (3, "op-1")
    assert again.code == 0
    assert again.json["price"]["product"] == "prod_the_ai"


def test_what_is_ended_says_what_follows_and_is_taken_back(
    stripe_cli: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """By event name, lookup key or id; a second time nothing is changed."""
    seller, _ = stripe_server
    meter, product = seller.meter(), seller.product()
    price = seller.metered_price(meter, product, lookup_key="api")
    seller.subscription(seller.customer(), price)

    foreseen = stripe_cli(*METER, "deactivate", "api_requests", "--dry-run")
    archived = stripe_cli(*PRICE, "archive", "api")
    stopped = stripe_cli(*METER, "deactivate", meter, "--json").json
    again = stripe_cli(*METER, "deactivate", meter)

    for needed in (
        "active\n",
        "refuses every event named api_requests",
        "1 tenant has",
    ):
        assert needed in foreseen.out
    assert "price api: archived" in archived.out
    assert stopped["meter"]["active"] is False
    assert "nothing was changed" in again.err
    assert stripe_cli(*PRICE, "activate", price, "--json").json["price"]["active"]
    assert stripe_cli(*METER, "reactivate", "api_requests", "--json").json["effects"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((*METER, "create", "api_requests"), 2, "has this event name"),
        ((*METER, "deactivate", "nope"), 1, "no meter is called nope"),
        ((*PRICE, "archive", "nope"), 1, "no price is called nope"),
        (
            (*PRICE, "create", "p", "--product", "unheard-of", "--unit", "1 USD"),
            1,
            "no product is called unheard-of",
        ),
        (
            (*PRICE, "create", "p", "--new-product", "X", "--unit", "0.01"),
            2,
            "'0.01' is no amount of money",
        ),
        ((*METER, "deactivate", "api_requests", "--read-only"), 1, "is read-only"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    stripe_cli: CommandLine,
    stripe_server: tuple[Seller, str],
    words: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    """What is wrong, and what would be right; nothing is created."""
    seller, _ = stripe_server
    seller.meter()

    done = stripe_cli(*words)

    assert done.code == code
    assert sentence in done.err
    assert done.err.count("\n") == 1
