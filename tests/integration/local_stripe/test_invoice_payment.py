"""What becomes of invoices: paid, open, given up, voided; credits and balances."""

from typing import Any

import pytest
from tests.support.invoices import invoices, preview
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal

Prices = tuple[str, str]


@pytest.fixture
def prices(seller: Seller) -> Prices:
    """A metered price of a cent, and a fee of ten dollars a month."""
    return seller.cent_and_fee()


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        ("past_due", {}, "open"),
        ("unpaid", {}, "draft"),
        ("active", {"collection_method": "send_invoice", "days_until_due": 7}, "open"),
        ("active", {"pause_collection": {"behavior": "void"}}, "void"),
        (
            "active",
            {"pause_collection": {"behavior": "void", "resumes_at": 1_773_200_000}},
            "paid",
        ),
        ("active", {"pause_collection": {"behavior": "keep_as_draft"}}, "draft"),
        (
            "active",
            {"pause_collection": {"behavior": "mark_uncollectible"}},
            "uncollectible",
        ),
    ],
)
def test_what_becomes_of_an_invoice_is_up_to_its_subscription(
    local: LocalStripe,
    seller: Seller,
    prices: Prices,
    clock: Clock,
    *,
    status: str,
    more: dict[str, object],
    expected: str,
) -> None:
    """Only what is charged automatically is paid by itself."""
    subscription = seller.subscription(seller.customer(), prices[1])
    local.set_subscription(subscription, status=status)
    local.call("POST", f"/v1/subscriptions/{subscription}", more)
    clock.move(days=32)

    assert [expected] == [
        each["status"]
        for each in invoices(local, created={"gt": clock.seconds - 10**6})
    ]


def test_an_open_invoice_is_paid_voided_or_given_up(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """A second time it is refused; a draft can be made final before its hour."""
    for name in "abc":
        seller.subscription(
            seller.customer(name),
            prices[1],
            collection_method="send_invoice",
            days_until_due=7,
        )
    one, other, third = (each["id"] for each in invoices(local))

    opened = local.call("POST", f"/v1/invoices/{one}/finalize", {})
    with pytest.raises(LocalStripeRefusal, match="already finalized"):
        local.call("POST", f"/v1/invoices/{one}/finalize", {})
    paid = local.call("POST", f"/v1/invoices/{one}/pay", {})
    with pytest.raises(LocalStripeRefusal, match="already paid"):
        local.call("POST", f"/v1/invoices/{one}/pay", {})
    local.call("POST", f"/v1/invoices/{other}", {"auto_advance": False})
    clock.move(hours=1)
    kept = local.call("GET", f"/v1/invoices/{other}", {})
    voided = local.call("POST", f"/v1/invoices/{third}/void", {})

    assert ("open", clock.seconds - 3600 + 7 * 86_400) == (
        opened["status"],
        opened["due_date"],
    )
    assert (paid["status"], paid["amount_remaining"]) == ("paid", 0)
    assert kept["status"] == "draft"
    assert voided["status"] == "void"


def test_credits_and_a_balance_are_used_when_the_invoice_is_final(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """Credits pay usage, in the ledger; a balance pays what is left."""
    customer = seller.customer(balance=-1900)
    seller.subscription(customer, *prices)
    grant = seller.credits(customer, 250)
    seller.event(customer, "400")
    clock.move(days=31, hours=1)

    final, first = invoices(local)
    ledger: dict[str, Any] = local.call(
        "GET", "/v1/billing/credit_balance_transactions", {"credit_grant": grant}
    )

    assert (
        first["total"],
        first["starting_balance"],
        first["ending_balance"],
        first["amount_due"],
    ) == (1000, -1900, -900, 0)
    assert (
        final["subtotal"],
        final["total"],
        final["starting_balance"],
        final["ending_balance"],
        final["amount_due"],
    ) == (1400, 1150, -900, 0, 250)
    used = ledger["data"][0]
    [credit] = final["lines"]["data"][0]["pretax_credit_amounts"]
    assert (250, used["id"]) == (
        credit["amount"],
        credit["credit_balance_transaction"],
    )
    assert final["id"] == used["debit"]["credits_applied"]["invoice"]


def test_a_voided_invoice_gives_its_credits_back(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """They can pay the next one."""
    customer = seller.customer()
    terms = {"collection_method": "send_invoice", "days_until_due": 7}
    seller.subscription(customer, *prices, **terms)
    seller.credits(customer, 250)
    seller.event(customer, "200")
    clock.move(days=31, hours=1)
    sent = invoices(local)[0]
    local.call("POST", f"/v1/invoices/{sent['id']}/void", {})
    seller.event(customer, "300")

    assert (sent["status"], sent["total"]) == ("open", 1000)
    assert preview(local, customer=customer)["total"] == 1000 + 50
