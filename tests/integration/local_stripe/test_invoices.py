"""Invoices: what they bill, drafted when periods end and final an hour later."""

from typing import Any

import pytest
from tests.support.invoices import amounts, invoices, preview, told
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe

Prices = tuple[str, str]


@pytest.fixture
def prices(seller: Seller) -> Prices:
    """A metered price of a cent, and a fee of ten dollars a month."""
    return seller.cent_and_fee()


def test_a_period_is_invoiced_when_it_ends_and_the_invoice_is_final_in_an_hour(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """Usage of the ended period still counts in that hour; afterwards nothing does."""
    customer = seller.customer(invoice_prefix="ACME")
    subscription = seller.subscription(customer, *prices)
    [first] = invoices(local)
    start = clock.seconds
    clock.move(days=31)
    end = clock.seconds
    seller.event(customer, "70", timestamp=end - 1)
    seller.event(customer, "1000", timestamp=end)
    draft = invoices(local)[0]
    clock.move(minutes=59)
    seller.event(customer, "5", timestamp=start)
    late = invoices(local)[0]
    clock.move(minutes=1)
    seller.event(customer, "100", timestamp=start)
    final = invoices(local)[0]

    assert (
        first["status"],
        first["billing_reason"],
        first["number"],
        amounts(first),
    ) == ("paid", "subscription_create", "ACME-0001", [1000])
    assert (
        draft["status"],
        draft["billing_reason"],
        draft["number"],
        amounts(draft),
    ) == ("draft", "subscription_cycle", None, [70, 1000])
    assert (start, end, end + 3600) == (
        draft["period_start"],
        draft["period_end"],
        draft["automatically_finalizes_at"],
    )
    assert amounts(late) == [75, 1000]
    assert (
        final["status"],
        final["number"],
        amounts(final),
        final["amount_paid"],
        final["amount_remaining"],
    ) == ("paid", "ACME-0002", [75, 1000], 1075, 0)
    assert [line["id"] for line in draft["lines"]["data"]] == [
        line["id"] for line in final["lines"]["data"]
    ]
    shown = local.call("GET", f"/v1/subscriptions/{subscription}", {})
    assert final["id"] == shown["latest_invoice"]


def test_every_step_is_an_event_at_its_own_time(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """However late the next request comes."""
    seller.subscription(seller.customer(), *prices)
    start = clock.seconds
    clock.move(days=40)

    end = start + 31 * 86_400
    paid = ("invoice.finalized", "invoice.paid", "invoice.payment_succeeded")
    assert [
        *((each, start) for each in ("invoice.created", *paid)),
        ("invoice.created", end),
        *((each, end + 3600) for each in paid),
    ] == told(local, "invoice.*")


@pytest.mark.parametrize(("mode", "first"), [("flexible", []), ("classic", [[0]])])
def test_usage_alone_has_no_first_invoice_but_in_classic_mode(
    local: LocalStripe,
    seller: Seller,
    prices: Prices,
    mode: str,
    first: list[list[int]],
) -> None:
    """Classic billing mode makes a line of zero."""
    seller.subscription(seller.customer(), prices[0], billing_mode={"type": mode})

    assert first == [amounts(each) for each in invoices(local)]


def test_a_trial_is_invoiced_with_nothing_and_its_usage_is_free(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """At its end the fee is billed, of the usage only what comes after."""
    customer = seller.customer()
    seller.subscription(customer, *prices, trial_period_days=10)
    seller.event(customer, "500")
    clock.move(days=10)
    seller.event(customer, "3")

    after, trial = invoices(local)

    [line] = trial["lines"]["data"]
    assert (
        trial["status"],
        trial["total"],
        line["description"],
    ) == ("paid", 0, "Free trial for 1 × Platform")
    assert amounts(after) == [1000]
    assert amounts(preview(local, customer=customer)) == [3, 1000]


@pytest.mark.parametrize(("mode", "billed"), [("flexible", [40, 5]), ("classic", [45])])
def test_usage_costs_what_its_price_was_at_the_time(
    local: LocalStripe,
    seller: Seller,
    clock: Clock,
    mode: str,
    billed: list[int],
) -> None:
    """Flexible mode bills both prices; classic the last one for everything."""
    product, meter = seller.product(), seller.meter()
    old = seller.metered_price(meter, product, unit_amount=4)
    new = seller.metered_price(meter, product, unit_amount=1 if billed[1:] else 3)
    customer = seller.customer()
    subscription = seller.subscription(customer, old, billing_mode={"type": mode})
    item = _item(local, subscription)
    seller.event(customer, "10")
    clock.move(days=1)
    items = [{"id": item, "price": new}]
    what_if = preview(
        local, subscription=subscription, subscription_details={"items": items}
    )
    local.call("POST", f"/v1/subscriptions/{subscription}", {"items": items})
    seller.event(customer, "5")
    again = [{"id": item, "metadata": {"note": "changes no price"}}]
    local.call("POST", f"/v1/subscriptions/{subscription}", {"items": again})
    foreseen = preview(local, subscription=subscription)
    clock.move(days=30)
    drafted = invoices(local)[0]
    clock.move(days=31)

    late = amounts(foreseen)[-1] - amounts(what_if)[-1]
    assert late == (5 if billed[1:] else 15)
    assert amounts(foreseen) == billed
    assert amounts(drafted) == billed
    assert amounts(invoices(local)[0]) == [0]


def test_usage_since_a_backdated_start_is_on_the_first_periods_invoice(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """Up to a later anchor the fee is free, and there is no invoice of nothing."""
    customer = seller.customer()
    start = clock.seconds - 10 * 86_400
    seller.event(customer, "8", timestamp=start)
    seller.event(customer, "100", timestamp=start - 1)
    subscription = seller.subscription(
        customer,
        *prices,
        backdate_start_date=start,
        billing_cycle_anchor=clock.seconds + 5 * 86_400,
    )

    assert invoices(local) == []
    assert amounts(preview(local, subscription=subscription)) == [8, 1000]


def test_an_item_is_billed_when_its_own_period_ends(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """A year's fee is not on the month's invoice."""
    product = seller.product()
    yearly = seller.licensed_price(
        product, unit_amount=9900, recurring={"interval": "year"}
    )
    monthly = seller.licensed_price(product)
    subscription = seller.subscription(seller.customer(), yearly, monthly)
    [first] = invoices(local)
    foreseen = preview(local, subscription=subscription)
    clock.move(days=31)

    assert amounts(first) == [9900, 1000]
    assert amounts(foreseen) == [1000]
    assert amounts(invoices(local)[0]) == [1000]


def test_a_fleet_can_be_seeded_without_first_invoices(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """The next period is invoiced."""
    with local.without_invoices():
        seller.subscription(seller.customer(), prices[1])
    seeded = invoices(local)
    clock.move(days=31)

    assert seeded == []
    assert [amounts(each) for each in invoices(local)] == [[1000]]


def test_an_ending_subscription_is_billed_its_usage_and_no_more(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """At the period's end always, at once only with `invoice_now`."""
    ends, billed, dropped = (seller.customer(name) for name in "abc")
    seller.subscription(ends, *prices, cancel_at_period_end=True)
    now = seller.subscription(billed, *prices)
    never = seller.subscription(dropped, *prices)
    for customer in (ends, billed, dropped):
        seller.event(customer, "9")
    clock.move(days=1)
    local.call("DELETE", f"/v1/subscriptions/{now}", {"invoice_now": True})
    local.call("DELETE", f"/v1/subscriptions/{never}", {})
    clock.move(days=40)

    last = {name: invoices(local, customer=name)[0] for name in (ends, billed, dropped)}
    assert [amounts(each) for each in last.values()] == [[9], [9], [1000]]
    assert {each["status"] for each in last.values()} == {"paid"}


def test_a_cycle_that_begins_anew_is_invoiced_at_once(
    local: LocalStripe, seller: Seller, prices: Prices, clock: Clock
) -> None:
    """What was used so far, and the new period's quantities."""
    customer = seller.customer()
    subscription = seller.subscription(customer, *prices)
    seller.event(customer, "12")
    clock.move(days=3)
    changed = local.call(
        "POST",
        f"/v1/subscriptions/{subscription}",
        {"billing_cycle_anchor": "now", "expand": ["latest_invoice"]},
    )

    latest = changed["latest_invoice"]
    assert isinstance(latest, dict)
    assert (
        latest["billing_reason"],
        latest["status"],
        amounts(latest),
    ) == ("subscription_update", "paid", [12, 1000])
    assert amounts(preview(local, subscription=subscription)) == [0, 1000]


def test_invoices_and_their_lines_are_listed_in_pages(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Ten lines are in the invoice, the others follow; filters are Stripe's."""
    tiers: list[dict[str, object]] = [
        {"up_to": step, "unit_amount": 1} for step in (*range(1, 12), "inf")
    ]
    price = seller.metered_price(
        seller.meter(),
        seller.product(),
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=tiers,
    )
    customer = seller.customer()
    subscription = seller.subscription(customer, price)
    seller.subscription(seller.customer(), seller.licensed_price(seller.product()))
    seller.event(customer, "20")
    clock.move(days=31)

    [invoice] = invoices(local, subscription=subscription, status="draft")
    shown = invoice["lines"]
    path = f"/v1/invoices/{invoice['id']}/lines"
    rest: dict[str, Any] = local.call(
        "GET", path, {"starting_after": shown["data"][-1]["id"]}
    )

    assert (
        len(shown["data"]),
        shown["total_count"],
        shown["has_more"],
    ) == (10, 12, True)
    assert [line["quantity"] for line in rest["data"]] == [1, 9]
    assert not rest["has_more"]
    other = seller.subscription(customer, seller.licensed_price(seller.product()))
    assert len(invoices(local, limit=100)) == 4
    assert len(invoices(local, subscription=other)) == 1
    assert invoices(local, customer=customer)[1:] == [invoice]


def _item(local: LocalStripe, subscription: str) -> str:
    answer: dict[str, Any] = local.call(
        "GET", "/v1/subscription_items", {"subscription": subscription}
    )
    return str(answer["data"][0]["id"])
