"""Test clocks: a time of their own for customers and all that is theirs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.invoices import amounts, invoices, preview, told
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal

_CLOCKS = "/v1/test_helpers/test_clocks"
_HOUR = 3600
_DAY = 24 * _HOUR


def _unix(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, …


_NEW_YEAR = _unix(2030, 1, 1)


@pytest.fixture
def test_clock(local: LocalStripe) -> str:
    """A clock that stands at the new year of 2030."""
    made = local.call("POST", _CLOCKS, {"frozen_time": _NEW_YEAR, "name": "Year's end"})
    return str(made["id"])


def _advance(local: LocalStripe, test_clock: str, to: int) -> dict[str, Any]:
    return local.call("POST", f"{_CLOCKS}/{test_clock}/advance", {"frozen_time": to})


def test_a_clock_advances_and_is_ready_at_the_next_request(
    local: LocalStripe, test_clock: str, clock: Clock
) -> None:
    """Its events have the account's time; deleted, it is gone."""
    made = local.call("GET", f"{_CLOCKS}/{test_clock}", {})
    advancing = _advance(local, test_clock, _NEW_YEAR + _DAY)
    ready = local.call("GET", f"{_CLOCKS}/{test_clock}", {})
    listed: dict[str, Any] = local.call("GET", _CLOCKS, {})
    deleted = local.call("DELETE", f"{_CLOCKS}/{test_clock}", {})

    assert (clock.seconds, clock.seconds + 30 * _DAY, _NEW_YEAR, "ready") == (
        made["created"],
        made["deletes_after"],
        made["frozen_time"],
        made["status"],
    )
    assert (
        advancing["status"],
        advancing["status_details"],
    ) == ("advancing", {"advancing": {"target_frozen_time": _NEW_YEAR + _DAY}})
    assert (ready["frozen_time"], ready["status"]) == (_NEW_YEAR + _DAY, "ready")
    assert listed["data"] == [ready]
    assert {
        "id": test_clock,
        "object": "test_helpers.test_clock",
        "deleted": True,
    } == deleted
    assert [
        (f"test_helpers.test_clock.{each}", clock.seconds)
        for each in ("created", "advancing", "ready", "deleted")
    ] == told(local, "test_helpers.*")
    with pytest.raises(LocalStripeRefusal, match="No such test clock"):
        local.call("GET", f"{_CLOCKS}/{test_clock}", {})


def test_periods_pass_and_are_invoiced_at_the_clocks_time(
    local: LocalStripe, seller: Seller, test_clock: str, clock: Clock
) -> None:
    """In the order of time, and nobody else's time moves."""
    product = seller.product()
    meter = seller.meter()
    metered = seller.metered_price(meter, product, unit_amount=1)
    other = seller.customer()
    seller.subscription(other, metered)
    customer = seller.customer(test_clock=test_clock)
    subscription = seller.subscription(customer, metered)
    seller.event(customer, "30")
    _advance(local, test_clock, _unix(2030, 2, 1))
    seller.event(customer, "4", timestamp=_NEW_YEAR)
    draft = invoices(local, customer=customer)[0]
    seller.event(customer, "1000")
    _advance(local, test_clock, _unix(2030, 3, 15))

    march: dict[str, Any] = local.call("GET", f"/v1/subscriptions/{subscription}", {})
    [second, first] = invoices(local, customer=customer)
    assert (test_clock, _NEW_YEAR) == (march["test_clock"], march["created"])
    assert _unix(2030, 3, 1) == march["items"]["data"][0]["current_period_start"]
    assert (draft["status"], amounts(draft)) == ("draft", [34])
    assert [(each["status"], amounts(each)) for each in (first, second)] == [
        ("paid", [34]),
        ("paid", [1000]),
    ]
    assert [_unix(2030, 2, 1), _unix(2030, 3, 1)] == [
        each["created"] for each in (first, second)
    ]
    assert second["test_clock"] == test_clock
    february, march_1 = _unix(2030, 2, 1), _unix(2030, 3, 1)
    assert [february, february + _HOUR, march_1, march_1 + _HOUR] == [
        at
        for kind, at in told(local, "invoice.*")
        if kind in {"invoice.created", "invoice.finalized"}
    ]
    unmoved = preview(local, customer=other)
    assert unmoved["period_start"] == clock.seconds


def test_a_clock_goes_forward_by_two_of_the_shortest_intervals(
    local: LocalStripe, seller: Seller, test_clock: str
) -> None:
    """By two years without a subscription, and never back."""
    with pytest.raises(LocalStripeRefusal, match="must be after"):
        _advance(local, test_clock, _NEW_YEAR)
    with pytest.raises(LocalStripeRefusal, match=r"up to 2 years"):
        _advance(local, test_clock, _unix(2032, 1, 1) + 1)
    product = seller.product()
    seller.subscription(
        seller.customer(test_clock=test_clock),
        seller.licensed_price(product, recurring={"interval": "year"}),
        seller.licensed_price(product, recurring={"interval": "week"}),
    )
    furthest = f"{_unix(2030, 1, 15)} (2030-01-15 00:00:00 UTC)"
    with pytest.raises(LocalStripeRefusal) as refused:
        _advance(local, test_clock, _unix(2030, 1, 15) + 1)

    assert (
        f"The frozen time of this clock is {_NEW_YEAR} (2030-01-01 00:00:00 UTC). You"
        f" can only advance it up to {furthest}." in refused.value.message
    )
    _advance(local, test_clock, _unix(2030, 1, 15))
    answer = local.call("GET", f"{_CLOCKS}/{test_clock}", {})
    assert answer["frozen_time"] == _unix(2030, 1, 15)


def test_an_event_is_judged_by_its_customers_clock(
    local: LocalStripe, seller: Seller, test_clock: str, clock: Clock
) -> None:
    """35 days back and five minutes ahead of the test clock, not of the account's."""
    seller.meter()
    customer = seller.customer(test_clock=test_clock)

    answer = seller.event(customer, "1")
    for timestamp, why in (
        (clock.seconds, "35 days in past"),
        (_NEW_YEAR + 301, "5 minutes in future"),
    ):
        with pytest.raises(LocalStripeRefusal, match=why):
            seller.event(customer, "1", timestamp=timestamp)
    assert (_NEW_YEAR, clock.seconds) == (answer["timestamp"], answer["created"])


def test_a_clock_holds_three_customers_with_three_subscriptions(
    local: LocalStripe, seller: Seller
) -> None:
    """The first may have existed before; a customer stays on its clock."""
    existing = seller.customer()
    asked = {"frozen_time": _NEW_YEAR, "customer": existing}
    test_clock = str(local.call("POST", _CLOCKS, asked)["id"])
    for _ in range(2):
        seller.customer(test_clock=test_clock)
    prices = [seller.licensed_price(seller.product()) for _ in range(4)]
    for price in prices[:3]:
        seller.subscription(existing, price)

    with pytest.raises(LocalStripeRefusal, match="at most 3 customers"):
        seller.customer(test_clock=test_clock)
    with pytest.raises(LocalStripeRefusal, match="at most 3 subscriptions"):
        seller.subscription(existing, prices[3])
    with pytest.raises(LocalStripeRefusal, match="already has a test clock"):
        local.call("POST", _CLOCKS, asked)


def test_lists_leave_out_what_is_on_a_clock_unless_it_is_named(
    local: LocalStripe, seller: Seller, test_clock: str
) -> None:
    """So do lists of subscriptions, but not a customer's own."""
    price = seller.licensed_price(seller.product())
    ours, theirs = seller.customer(), seller.customer(test_clock=test_clock)
    subscriptions = [seller.subscription(each, price) for each in (ours, theirs)]

    def listed(what: str, **params: object) -> list[str]:
        answer: dict[str, Any] = local.call("GET", f"/v1/{what}", params)
        return [each["id"] for each in answer["data"]]

    assert listed("customers") == [ours]
    assert listed("customers", test_clock=test_clock) == [theirs]
    assert listed("subscriptions") == subscriptions[:1]
    assert listed("subscriptions", test_clock=test_clock) == subscriptions[1:]
    assert listed("subscriptions", customer=theirs) == subscriptions[1:]


def test_credits_expire_at_the_clocks_time(local: LocalStripe, seller: Seller) -> None:
    """They are of its customer's time from their start to their end."""
    start = _unix(2020, 1, 1)
    test_clock = str(local.call("POST", _CLOCKS, {"frozen_time": start})["id"])
    customer = seller.customer(test_clock=test_clock)
    grant = seller.credits(customer, 500, expires_at=start + _DAY)

    def ledger() -> list[dict[str, Any]]:
        path = "/v1/billing/credit_balance_transactions"
        answer: dict[str, Any] = local.call("GET", path, {"credit_grant": grant})
        return list(answer["data"])

    [granted] = ledger()
    _advance(local, test_clock, start + 2 * _DAY)
    expired = ledger()[0]

    assert granted["created"] == start
    assert ("credits_expired", start + _DAY, test_clock) == (
        expired["debit"]["type"],
        expired["created"],
        expired["test_clock"],
    )


def test_a_customer_that_is_put_on_a_clock_lives_by_it(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Its period ends when the clock gets there, not when the account's does."""
    price = seller.licensed_price(seller.product())
    customer = seller.customer()
    seller.subscription(customer, price)
    start = clock.seconds
    clock.move(days=10)
    asked = {"frozen_time": start + 10 * _DAY, "customer": customer}
    test_clock = str(local.call("POST", _CLOCKS, asked)["id"])
    clock.move(days=22)
    before = invoices(local, customer=customer)
    _advance(local, test_clock, start + 41 * _DAY)
    drafted = invoices(local, customer=customer)[0]

    assert len(before) == 1
    assert drafted["created"] == start + 31 * _DAY


def test_a_deleted_clock_takes_its_customers_along(
    local: LocalStripe, seller: Seller, test_clock: str, clock: Clock
) -> None:
    """Their subscriptions are canceled; after 30 days a clock deletes itself."""
    price = seller.licensed_price(seller.product())
    customer = seller.customer(test_clock=test_clock)
    subscription = seller.subscription(customer, price)
    clock.move(days=30)

    gone = local.call("GET", f"/v1/customers/{customer}", {})
    asked = {"expand": ["test_clock"]}
    ended = local.call("GET", f"/v1/subscriptions/{subscription}", asked)
    assert ended["test_clock"] == {
        "id": test_clock,
        "object": "test_helpers.test_clock",
        "deleted": True,
    }
    assert gone["deleted"] is True
    assert (ended["status"], ended["ended_at"]) == ("canceled", _NEW_YEAR)


def test_the_whole_accounts_clock_can_be_moved_ahead(
    local: LocalStripe, seller: Seller, test_clock: str, clock: Clock
) -> None:
    """By a sandbox: periods end, test clocks stand."""
    price = seller.licensed_price(seller.product(), recurring={"interval": "week"})
    seller.subscription(seller.customer(), price)

    local.advance_by(timedelta(days=7))

    assert [each["status"] for each in invoices(local)] == ["draft", "paid"]
    assert clock.seconds + 7 * _DAY == invoices(local)[0]["created"]
    answer = local.call("GET", f"{_CLOCKS}/{test_clock}", {})
    assert answer["frozen_time"] == _NEW_YEAR
    with pytest.raises(ValueError, match="cannot go back"):
        local.advance_by(timedelta(days=-1))
