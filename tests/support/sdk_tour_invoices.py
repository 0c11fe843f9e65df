"""The tour's steps: invoices from draft to paid, and test clocks."""

from tests.support.sdk_guide import Guide

# Passes everything of the tour, and has every bound.
_EVER = {"gt": 0, "gte": 0, "lt": 10**10, "lte": 10**10}
_DAY = 86_400


def invoices(ask: Guide) -> None:
    """Invoice customers that pay themselves, and one whose fee is charged."""
    customer = ask(
        "POST",
        "/v1/customers",
        name="Invoiced",
        email="i@example.com",
        balance=-100,
    )["id"]
    subscription = {
        "customer": customer,
        "items": [{"price": ask.made["licensed"]}],
        "collection_method": "send_invoice",
        "days_until_due": 7,
    }
    made = [ask("POST", "/v1/subscriptions", **subscription) for _ in range(3)]
    one, other, third = (f"/v1/invoices/{each['latest_invoice']}" for each in made)
    ask("POST", one, description="First", metadata={"a": "b"}, auto_advance=False)
    ask("POST", f"{one}/finalize", auto_advance=True)
    ask("POST", f"{one}/pay", paid_out_of_band=True)
    for path, verb in ((other, "void"), (third, "mark_uncollectible")):
        ask("POST", f"{path}/finalize")
        ask("POST", f"{path}/{verb}")
    charged = {"customer": customer, "items": [{"price": ask.made["metered"]}]}
    credited = ask("POST", "/v1/subscriptions", **charged)["id"]
    usage = {"stripe_customer_id": customer, "value": "2000"}
    ask("POST", "/v1/billing/meter_events", event_name="api_requests", payload=usage)
    ask(
        "POST",
        "/v1/billing/credit_grants",
        customer=customer,
        amount={"type": "monetary", "monetary": {"currency": "usd", "value": 1}},
        applicability_config={"scope": {"price_type": "metered"}},
    )
    ask("DELETE", f"/v1/subscriptions/{credited}", invoice_now=True)
    page = ask(
        "GET",
        "/v1/invoices",
        customer=customer,
        subscription=credited,
        created=_EVER,
        status="paid",
    )
    [invoice] = page["data"]
    path = f"/v1/invoices/{invoice['id']}"
    ask("GET", path, expand=["confirmation_secret", "payments"])
    ask("GET", f"{path}/lines")


def test_clocks(ask: Guide) -> None:
    """Let a month pass for one customer."""
    now = ask.clock.seconds
    path = "/v1/test_helpers/test_clocks"
    made = ask("POST", path, frozen_time=now, name="A month")
    clock = made["id"]
    customer = ask("POST", "/v1/customers", name="Timed", test_clock=clock)["id"]
    ask(
        "POST",
        "/v1/subscriptions",
        customer=customer,
        items=[{"price": ask.made["licensed"]}],
    )
    ask("POST", f"{path}/{clock}/advance", frozen_time=now + 40 * _DAY)
    ask("GET", f"{path}/{clock}")
    ask("GET", path)
    for what in ("customers", "subscriptions"):
        ask("GET", f"/v1/{what}", test_clock=clock)
    ask("GET", "/v1/invoices", customer=customer)
    other = ask("POST", path, frozen_time=now)
    ask("DELETE", f"{path}/{other['id']}")
