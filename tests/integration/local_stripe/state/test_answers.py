"""A local Stripe whose account is kept in a file answers as if nothing had been."""

from datetime import timedelta
from decimal import Decimal

from tests.integration.local_stripe.state.account import NOON, Open
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal

DAY_S = 86_400


def furnish(stripe: LocalStripe, clock: Clock) -> str:
    """Put something of every kind into an account; return a customer."""
    seller = Seller(stripe)
    product = seller.product("Ünïcödé 🎉")
    meter, gauge = seller.meter(), seller.meter("level", "last")
    tiers = [
        {"up_to": 10, "unit_amount_decimal": "0.5"},
        {"up_to": "inf", "flat_amount": 7},
    ]
    usage = seller.metered_price(
        meter,
        product,
        lookup_key="usage",
        billing_scheme="tiered",
        tiers_mode="volume",
        tiers=tiers,
    )
    fee = seller.licensed_price(product, metadata={"a": "b"})
    customer, deleted = seller.customer("Acme"), seller.customer("Gone")
    stripe.call("DELETE", f"/v1/customers/{deleted}", {})
    stripe.call("POST", f"/v1/billing/meters/{gauge}/deactivate", {})
    seller.subscription(customer, usage, fee)
    cancelled = seller.subscription(customer, fee)
    stripe.call("DELETE", f"/v1/subscriptions/{cancelled}", {})
    alert = {"alert_type": "usage_threshold", "title": "much"}
    threshold = {"meter": meter, "gte": 5, "recurrence": "one_time"}
    stripe.call("POST", "/v1/billing/alerts", {**alert, "usage_threshold": threshold})
    credits = {
        "amount": {"type": "monetary", "monetary": {"value": 500, "currency": "usd"}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "paid",
        "customer": customer,
        "expires_at": clock.seconds + 40 * DAY_S,
    }
    stripe.call("POST", "/v1/billing/credit_grants", credits)
    furnish_a_test_clock(stripe, fee, clock.seconds)
    stripe.advance_by(timedelta(hours=3))
    hook = {"url": "https://example.com/hook", "enabled_events": ["*"]}
    stripe.call("POST", "/v1/webhook_endpoints", hook)
    for number, value in enumerate(("1", "2.5", "4")):
        clock.move(seconds=7)
        seller.event(customer, value, identifier=f"e{number}")
    cancel = {"event_name": "api_requests", "type": "cancel"}
    path = "/v1/billing/meter_event_adjustments"
    stripe.call("POST", path, {**cancel, "cancel": {"identifier": "e1"}})
    seller.event("cus_nobody", "1", identifier="lost")
    stripe.add_usage("api_requests", customer, Decimal("0.125"), NOON)
    return customer


def furnish_a_test_clock(stripe: LocalStripe, price: str, at: int) -> None:
    """Put a customer on a test clock that is an invoice further."""
    clocks = "/v1/test_helpers/test_clocks"
    made = str(stripe.call("POST", clocks, {"frozen_time": at})["id"])
    frozen = {"name": "Frozen", "test_clock": made}
    customer = str(stripe.call("POST", "/v1/customers", frozen)["id"])
    Seller(stripe).subscription(customer, price)
    later = {"frozen_time": at + 60 * DAY_S}
    stripe.call("POST", f"{clocks}/{made}/advance", later)


def answers(stripe: LocalStripe, clock: Clock, customer: str) -> dict[str, object]:
    """Return what every GET of the account answers, lists and each object in them."""
    start = clock.seconds - clock.seconds % 60 - 40 * DAY_S
    span = {"start_time": start, "end_time": start + 80 * DAY_S}
    needed: dict[str, dict[str, object]] = {
        "/v1/billing/meters/{}/event_summaries": {**span, "customer": customer},
        "/v1/billing/credit_balance_summary": {
            "customer": customer,
            "filter": {
                "type": "applicability_scope",
                "applicability_scope": {"price_type": "metered"},
            },
        },
    }
    found: dict[str, object] = {}
    paths = [path for method, path in OPERATIONS._literal if method == "GET"]
    for path in paths:
        found[path] = ask(stripe, path, needed.get(path, {}))
        listed = found[path]
        rows = listed.get("data") if isinstance(listed, dict) else None
        for row in rows if isinstance(rows, list) else ():
            for pattern in under(path):
                each = pattern.replace("{}", row["id"])
                found[each] = ask(stripe, each, needed.get(pattern, {}))
    return found


def under(path: str) -> list[str]:
    """Return the paths of GET under a list's, with {} for an id."""
    patterns = [
        "/".join(parts)
        for (method, _), entries in OPERATIONS._patterns.items()
        if method == "GET"
        for parts, _ in entries
    ]
    return [each for each in patterns if each.startswith(f"{path}/{{}}")]


def ask(stripe: LocalStripe, path: str, params: dict[str, object]) -> object:
    """Return the answer, or the refusal."""
    try:
        return stripe.call("GET", path, params)
    except LocalStripeRefusal as refusal:
        return str(refusal)


def test_every_answer_is_the_same_after_a_restart(reopened: Open, clock: Clock) -> None:
    """Objects of every kind, their events, usage, alerts, credits and late errors; and
    what comes due later comes due as it would have."""
    before = reopened()
    customer = furnish(before, clock)
    clock.move(seconds=15)
    twin = Clock(NOON)
    beside = LocalStripe(now=twin, seed=7)
    furnish(beside, twin)
    twin.move(seconds=15)

    was = answers(before, clock, customer)
    after = reopened()
    found = answers(after, clock, customer)

    assert (before.restored, after.restored) == (False, True)
    assert found == was == answers(beside, twin, customer)
    assert len(found) > 40
    for each in (clock, twin):
        each.move(days=41)
    later, unbroken = answers(after, clock, customer), answers(beside, twin, customer)
    for path in ("/v1/subscriptions", "/v1/billing/credit_balance_transactions"):
        assert len(str(later[path])) == len(str(unbroken[path]))
    assert kinds(later) == kinds(unbroken) != kinds(found)


def kinds(found: dict[str, object]) -> list[str]:
    """Return the types of all events."""
    listed = found["/v1/events"]
    assert isinstance(listed, dict)
    return [str(each["type"]) for each in listed["data"]]
