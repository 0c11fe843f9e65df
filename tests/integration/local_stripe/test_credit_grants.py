"""Billing credits: grants, their ledger, and which of them pays what."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal
from meterdeck.core.local_stripe.credit_ledger import (
    Application,
    CreditableLine,
    UsableGrant,
    applications,
    apply,
    reinstate,
)
from meterdeck.core.local_stripe.credit_records import CreditGrant

_URL = "/v1/billing/credit_grants"
_NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
_DAY = timedelta(days=1)
_PLAIN = CreditGrant(
    id="plain",
    created=_NOW - _DAY,
    updated=_NOW,
    customer="cus_1",
    currency="usd",
    value=100,
    effective_at=_NOW - _DAY,
)


def grant(
    local: LocalStripe, customer: str, value: object = 1_000, **more: object
) -> dict[str, Any]:
    """Grant credits that pay for every metered price."""
    params = {
        "customer": customer,
        "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": value}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        **more,
    }
    return local.call("POST", _URL, params)


def balances(local: LocalStripe, customer: str, **scope: object) -> list[Any]:
    """Give available and ledger balance of each currency."""
    chosen: dict[str, object] = {
        "type": "applicability_scope",
        "applicability_scope": scope or {"price_type": "metered"},
    }
    if "credit_grant" in scope:
        chosen = {"type": "credit_grant", **scope}
    answer: Any = local.call(
        "GET",
        "/v1/billing/credit_balance_summary",
        {"customer": customer, "filter": chosen},
    )
    return [
        (
            each["available_balance"]["monetary"]["currency"],
            each["available_balance"]["monetary"]["value"],
            each["ledger_balance"]["monetary"]["value"],
        )
        for each in answer["balances"]
    ]


def ledger(local: LocalStripe, **of: object) -> list[Any]:
    """Give type and amount of each entry, newest first."""
    page: Any = local.call("GET", "/v1/billing/credit_balance_transactions", of)
    return [
        (side["type"], side["amount"]["monetary"]["value"])
        for each in page["data"]
        for side in (each[each["type"]],)
    ]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"priority": 1, "category": "paid"}, {"expires_at": _NOW + _DAY}),
        ({"expires_at": _NOW + _DAY}, {"category": "promotional"}),
        ({"expires_at": _NOW + _DAY}, {"expires_at": _NOW + 2 * _DAY}),
        ({"category": "promotional"}, {"effective_at": _NOW - 2 * _DAY}),
        ({"effective_at": _NOW - 2 * _DAY}, {"created": _NOW - 3 * _DAY}),
        ({"created": _NOW - 2 * _DAY}, {}),
    ],
)
def test_grants_are_used_in_stripes_order(
    first: dict[str, Any], then: dict[str, Any]
) -> None:
    """Priority, expiry, promotional, effective, created: each rule over the next."""
    grants = [
        UsableGrant(replace(_PLAIN, id="then", **then), 100),
        UsableGrant(replace(_PLAIN, id="first", **first), 100),
    ]
    lines = [CreditableLine("line", "price", 150)]

    used = applications(grants, lines, "usd", _NOW)

    assert used == (
        Application("first", "line", 100),
        Application("then", "line", 50),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "eur"},
        {"effective_at": _NOW + _DAY},
        {"expires_at": _NOW},
        {"voided_at": _NOW},
        {"prices": ("other",)},
    ],
)
def test_a_grant_that_does_not_fit_pays_nothing(change: dict[str, Any]) -> None:
    """Another currency, not yet, no longer, taken back, for other prices."""
    grants = [UsableGrant(replace(_PLAIN, **change), 100)]

    assert applications(grants, [CreditableLine("l", "price", 9)], "usd", _NOW) == ()


def test_a_grant_pays_line_after_line_and_never_below_zero() -> None:
    """What a grant for one price leaves, the next grant may pay; refunds are left."""
    lines: Sequence[CreditableLine] = [
        CreditableLine("a", "price_a", 30),
        CreditableLine("refund", "price_a", -20),
        CreditableLine("b", "price_b", 100),
    ]
    only_b = replace(_PLAIN, id="only_b", prices=("price_b",), priority=0)
    grants = [UsableGrant(_PLAIN, 50), UsableGrant(only_b, 60)]

    assert applications(grants, lines, "usd", _NOW) == (
        Application("only_b", "b", 60),
        Application("plain", "a", 30),
        Application("plain", "b", 20),
    )


def test_a_grant_shows_what_stripes_example_shows(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """The documented keys in their order, with their defaults; its ledger begins."""
    customer = seller.customer()
    later = clock.seconds + 86_400

    made = grant(local, customer, effective_at=later, name="Purchased Credits")

    assert made == {
        "id": made["id"],
        "object": "billing.credit_grant",
        "amount": {"monetary": {"currency": "usd", "value": 1000}, "type": "monetary"},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "paid",
        "created": clock.seconds,
        "customer": customer,
        "customer_account": None,
        "effective_at": later,
        "expires_at": None,
        "livemode": False,
        "metadata": {},
        "name": "Purchased Credits",
        "priority": 50,
        "test_clock": None,
        "updated": clock.seconds,
        "voided_at": None,
    }
    assert made["id"].startswith("credgr_test_61")
    assert ledger(local, credit_grant=made["id"]) == [("credits_granted", 1000)]
    assert balances(local, customer) == [("usd", 0, 0)]
    clock.move(days=1)
    assert balances(local, customer) == [("usd", 1000, 1000)]


def test_what_is_left_of_a_grant_is_lost_when_it_expires(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """By the clock, by request, and not when the time was moved before it came."""
    customer = seller.customer()
    soon = clock.seconds + 3_600
    kept = grant(local, customer, 1, expires_at=soon)["id"]
    local.call("POST", f"{_URL}/{kept}", {"expires_at": ""})
    by_clock = grant(local, customer, 20, expires_at=soon)["id"]
    by_request = grant(local, customer, 300)["id"]

    expired = local.call("POST", f"{_URL}/{by_request}/expire", {})
    clock.move(hours=2)

    assert expired["expires_at"] == soon - 3_600
    assert balances(local, customer) == [("usd", 1, 1)]
    assert ledger(local, customer=customer)[:2] == [
        ("credits_expired", 20),
        ("credits_expired", 300),
    ]
    assert ledger(local, credit_grant=by_clock)[0] == ("credits_expired", 20)
    with pytest.raises(LocalStripeRefusal, match="already expired"):
        local.call("POST", f"{_URL}/{by_request}/expire", {})


def test_a_grant_can_be_voided_once(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """What it was is debited; a second time, and an expiry after it, are refused."""
    customer = seller.customer()
    made = grant(local, customer)["id"]

    voided = local.call("POST", f"{_URL}/{made}/void", {})

    assert voided["voided_at"] == clock.seconds
    assert ledger(local, customer=customer)[0] == ("credits_voided", 1000)
    assert balances(local, customer, credit_grant=made) == [("usd", 0, 0)]
    for again in ("void", "expire"):
        with pytest.raises(LocalStripeRefusal, match="already voided"):
            local.call("POST", f"{_URL}/{made}/{again}", {})


def test_a_grant_that_paid_cannot_be_voided_and_gets_back_what_a_void_invoice_took(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """The ledger names invoice and line; what comes back late is lost at once."""
    customer = seller.customer()
    soon = clock.seconds + 3_600
    made = grant(local, customer, expires_at=soon)["id"]
    world = local._world

    recorded = apply(world, "in_1", [Application(made, "il_1", 400)], clock())
    with pytest.raises(LocalStripeRefusal, match="has been applied to an invoice"):
        local.call("POST", f"{_URL}/{made}/void", {})
    left = balances(local, customer)
    clock.move(hours=2)
    after = ledger(local, customer=customer)
    reinstate(world, "in_1", clock())

    [entry_id] = recorded.values()
    path = f"/v1/billing/credit_balance_transactions/{entry_id}"
    entry: Any = local.call("GET", path, {})
    assert entry["debit"]["credits_applied"] == {
        "invoice": "in_1",
        "invoice_line_item": "il_1",
    }
    assert left == [("usd", 600, 600)]
    assert after[0] == ("credits_expired", 600)
    assert ledger(local, customer=customer)[:2] == [
        ("credits_expired", 400),
        ("credits_application_invoice_voided", 400),
    ]


def test_balances_are_told_by_currency_and_scope(
    local: LocalStripe, seller: Seller
) -> None:
    """A grant for one price counts where that price is asked for."""
    customer = seller.customer()
    meter, product = seller.meter(), seller.product()
    mine, other = (seller.metered_price(meter, product) for _ in "ab")
    grant(local, customer, 10)
    grant(
        local, customer, 200, applicability_config={"scope": {"prices": [{"id": mine}]}}
    )
    euros = {"type": "monetary", "monetary": {"currency": "eur", "value": 3000}}
    grant(local, customer, amount=euros)

    assert balances(local, customer) == [("usd", 10, 10), ("eur", 3000, 3000)]
    for_mine = balances(local, customer, prices=[{"id": mine}])
    assert for_mine == [("usd", 210, 210), ("eur", 3000, 3000)]
    assert balances(local, customer, prices=[{"id": other}])[0] == ("usd", 10, 10)


def test_impossible_grants_are_refused(local: LocalStripe, seller: Seller) -> None:
    """Two scopes, a price without a meter, an end before the start, one too many."""
    customer = seller.customer()
    licensed = seller.licensed_price(seller.product())

    def refusal(**more: object) -> str:
        with pytest.raises(LocalStripeRefusal) as refused:
            grant(local, customer, **more)
        return f"{refused.value.param}: {refused.value.message}"

    prices = [{"id": licensed}]
    scopes: list[dict[str, object]] = [
        {},
        {"price_type": "metered", "prices": prices},
        {"prices": prices},
    ]
    nothing, both, unmetered = (
        refusal(applicability_config={"scope": each}) for each in scopes
    )
    for _ in range(100):
        grant(local, customer, 1)

    assert "exactly one of price_type, prices" in nothing
    assert "exactly one of price_type, prices" in both
    assert "prices][0][id]: The price" in unmetered
    assert "in the future" in refusal(expires_at=1)
    assert "at most 100 unused" in refusal()
