"""`meterdeck cost`: for people, for programs, and what it refuses."""

import pytest
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller


@pytest.fixture
def acme(stripe_cli: CommandLine, stripe_server: tuple[Seller, str]) -> CommandLine:
    """Acme pays a fee and for storage by the billing cycle; 20.575 GB are used."""
    seller, _ = stripe_server
    text = stripe_cli.config.read_text()
    scale = 'scale = 3\nperiod = "billing_cycle"'
    stripe_cli.config.write_text(text.replace("scale = 3", scale, 1))
    meter, product = seller.meter("storage_gb"), seller.product("Platform")
    fee = seller.licensed_price(product, lookup_key="pro_monthly", unit_amount=9900)
    tiers = [
        {"up_to": 20, "unit_amount": 100},
        {"up_to": "inf", "unit_amount_decimal": "0.5", "flat_amount": 200},
    ]
    graduated = seller.metered_price(
        meter, product, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers
    )
    seller.metered_price(meter, product, lookup_key="cheap")
    customer = seller.customer("Acme Corp")
    seller.local.call(
        "POST", f"/v1/customers/{customer}", {"metadata": {"tenant": "acme"}}
    )
    seller.subscription(customer, fee, graduated)
    stripe_cli("tenants", "--refresh")
    assert stripe_cli("consume", "acme", "storage_gb=20.575").code == 0
    return stripe_cli


def test_the_cost_of_the_running_period_is_an_aligned_table(acme: CommandLine) -> None:
    """An item a line with its basis, then the total and what it is not."""
    done = acme("cost", "acme")

    head, titles, fee, storage, total, about = done.out.splitlines()
    assert done.code == 0
    assert head == "Acme Corp  acme · pro · active"
    assert titles.split()[:3] == ["used", "so", "far"]
    assert fee.split() == [
        "pro_monthly",
        "1",
        *["99.00", "USD", "99.00", "USD", "fixed"],
    ]
    assert storage.split() == [
        *["Storage", "20.575", "GB", "22.00", "USD", "–"],
        *["0.005", "USD", "5.00", "USD", "counter"],
    ]
    assert total.split() == [*["total", "121.00", "USD", "–"]]
    assert fee.index("99.00 USD") == total.index("121.00 USD") + 1
    assert "Before discounts, taxes and credits" in about


def test_the_cost_is_one_json_object_with_exact_texts(acme: CommandLine) -> None:
    """Amounts in the main unit, each line of the invoice, and Stripe's preview."""
    found = acme("cost", "acme", "--json", "--preview").json

    assert found["tenant"]["id"] == "acme"
    assert (found["problem"], found["notes"]) == (None, [])
    storage = found["items"][1]
    assert storage["period"].keys() == {"start", "end"}
    assert (storage["quantity"], storage["basis"]) == ("20.575", "counter")
    assert storage["so_far"] == {
        "amount": "22.00",
        "exact": "22.002875",
        "lines": [
            {"quantity": "20", "unit_amount": "1.00", "flat": False, "amount": "20.00"},
            {
                "quantity": "0.575",
                "unit_amount": "0.005",
                "flat": False,
                "amount": "0.00",
            },
            {"quantity": "1", "unit_amount": "2.00", "flat": True, "amount": "2.00"},
        ],
    }
    assert (storage["next_unit"], storage["next_thousand"]) == ("0.005", "5.00")
    assert (storage["forecast"], storage["resources"]) == (None, ["storage_gb"])
    assert found["totals"] == [
        {"currency": "usd", "so_far": "121.00", "at_end": None, "unknown": 0}
    ]
    # Nothing has been delivered: Stripe knows of the fee alone.
    assert (found["preview"]["subtotal"], found["preview"]["equal"]) == ("99.00", False)


def test_what_if_shows_the_difference(acme: CommandLine) -> None:
    """Another price and another usage, and how they were taken."""
    people = acme("cost", "acme", "--price", "cheap", "--usage", "storage_gb=1,000")
    so_far = acme("cost", "acme", "--usage", "storage_gb=30", "--so-far", "--json")

    rows = {line.split()[0]: line.split()[1:] for line in people.out.splitlines()[2:]}
    assert rows["Storage"][2:4] == ["0.02", "USD"]
    assert rows["if"][1:] == ["99.02", "USD", "100.00", "USD"]
    assert rows["difference"] == ["-21.98", "USD", "–"]
    assert so_far.json["totals"][0]["so_far"] == "121.00"
    assert so_far.json["what_if"]["totals"][0]["so_far"] == "121.05"
    assert so_far.json["what_if"]["items"][1]["basis"] == "given"


def test_what_if_names_what_is_used_and_billed_by_nothing(acme: CommandLine) -> None:
    """Where prices are others: whoever reads the sum knows what is not in it."""
    assert acme("consume", "acme", "api_calls=1,500").code == 0
    usage_alone = acme("cost", "acme", "--usage", "storage_gb=1,000", "--json")

    found = acme("cost", "acme", "--price", "cheap", "--json")

    assert found.json["what_if"]["taken"] == [
        "billed by nothing here: API calls (1,500 used)"
    ]
    assert usage_alone.json["what_if"]["taken"] == []


def test_what_makes_no_sense_is_said_in_a_sentence(acme: CommandLine) -> None:
    """What, where, and what would be right; exit code 2, and 1 without Stripe."""
    for words, said in (
        (("--usage", "storage_gb"), "write the resource and how much of it"),
        (("--usage", "storage_gb=much"), "is not a quantity"),
        (("--so-far",), "--so-far is about --usage"),
        (("--usage", "api_calls=5"), "it bills: storage_gb"),
    ):
        done = acme("cost", "acme", *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err

    done = acme("cost", "acme", "--context", "staging")
    assert (done.code, "has no Stripe to ask" in done.err) == (1, True)
