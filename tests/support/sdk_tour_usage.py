"""The tour's steps: what is sold, who buys it, what is used."""

from datetime import timedelta

from tests.support.sdk_guide import Guide

from meterdeck.core.local_stripe.summaries import PLACEHOLDER

# Passes every event of the tour, and has every bound.
_EVER = {"gt": 0, "gte": 0, "lt": 10**10, "lte": 10**10}


def account(ask: Guide) -> None:
    ask("GET", "/v1/account")


def meters(ask: Guide) -> None:
    meter = ask(
        "POST",
        "/v1/billing/meters",
        display_name="API requests",
        event_name="api_requests",
        default_aggregation={"formula": "sum"},
        customer_mapping={"type": "by_id", "event_payload_key": "stripe_customer_id"},
        value_settings={"event_payload_key": "value"},
    )
    ask.made["meter"] = meter["id"]
    windowed = ask(
        "POST",
        "/v1/billing/meters",
        display_name="Seats",
        event_name="seats",
        default_aggregation={"formula": "last"},
        event_time_window="day",
    )
    path = f"/v1/billing/meters/{windowed['id']}"
    ask("POST", path, display_name="Seats of a day")
    ask("POST", f"{path}/deactivate")
    ask("GET", path)
    ask("POST", f"{path}/reactivate")
    ask("GET", "/v1/billing/meters", status="active")


def products(ask: Guide) -> None:
    product = ask(
        "POST",
        "/v1/products",
        name="Platform",
        description="All of it",
        images=["https://example.com/a.png"],
        marketing_features=[{"name": "Fast"}],
        default_price_data={
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
            "metadata": {"a": "b"},
        },
    )
    ask.made["product"] = product["id"]
    ask("GET", f"/v1/products/{product['id']}", expand=["default_price"])
    features = [{"name": "Fast"}]
    ask(
        "POST",
        f"/v1/products/{product['id']}",
        unit_label="call",
        marketing_features=features,
    )
    gone = ask("POST", "/v1/products", name="Gone")
    ask("GET", "/v1/products", created=_EVER)
    ask("DELETE", f"/v1/products/{gone['id']}")


def prices(ask: Guide) -> None:
    metered = {"interval": "month", "usage_type": "metered", "meter": ask.made["meter"]}
    of_product = {"product": ask.made["product"], "currency": "usd"}
    per_unit = ask(
        "POST",
        "/v1/prices",
        **of_product,
        recurring={**metered, "interval_count": 1},
        unit_amount_decimal="0.1",
        lookup_key="per_unit",
    )
    ask.made["metered"] = per_unit["id"]
    tiered = ask(
        "POST",
        "/v1/prices",
        **of_product,
        recurring=metered,
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=[
            {"up_to": 1000, "unit_amount": 1, "flat_amount_decimal": "0.5"},
            {"up_to": "inf", "unit_amount_decimal": "0.1", "flat_amount": 100},
        ],
        expand=["tiers", "product"],
    )
    ask.made["tiered"] = tiered["id"]
    ask(
        "POST",
        "/v1/prices",
        currency="eur",
        unit_amount=900,
        transform_quantity={"divide_by": 100, "round": "up"},
        recurring={"interval": "year"},
        product_data={"name": "New", "id": "prod_new", "metadata": {"a": "b"}},
    )
    licensed = ask(
        "POST",
        "/v1/prices",
        **of_product,
        unit_amount=1000,
        recurring={"interval": "month"},
    )
    ask.made["licensed"] = licensed["id"]
    path = f"/v1/prices/{per_unit['id']}"
    ask("POST", path, nickname="tenth of a cent", lookup_key="per_unit")
    taken = {"lookup_key": "per_unit", "transfer_lookup_key": True}
    ask("POST", f"/v1/prices/{licensed['id']}", **taken)
    ask("POST", "/v1/prices", **of_product, unit_amount=1, **taken)
    ask("GET", path, expand=["product.default_price"])
    ask(
        "GET",
        "/v1/prices",
        recurring={"interval": "month"},
        created=_EVER,
        expand=["data.tiers", "data.currency_options"],
    )


_INVOICE_SETTINGS = {
    "custom_fields": [{"name": "PO", "value": "42"}],
    "footer": "Thanks",
    "rendering_options": {"amount_tax_display": "exclude_tax"},
}


def customers(ask: Guide) -> None:
    address = {"city": "Bern", "country": "CH", "line1": "1", "postal_code": "3000"}
    customer = ask(
        "POST",
        "/v1/customers",
        name="Acme",
        email="a@example.com",
        address={**address, "line2": "2", "state": "BE"},
        shipping={"name": "Acme", "address": address, "phone": "1"},
        preferred_locales=["de"],
        metadata={"tenant": "acme"},
        invoice_settings=_INVOICE_SETTINGS,
        business_name="Acme Inc",
    )
    ask.made["customer"] = customer["id"]
    path = f"/v1/customers/{customer['id']}"
    shipping = {"name": "Acme", "address": address, "phone": "1"}
    settings = {"invoice_settings": _INVOICE_SETTINGS}
    ask("POST", path, address=address, shipping=shipping, **settings)
    gone = ask("POST", "/v1/customers")
    ask("DELETE", f"/v1/customers/{gone['id']}")
    ask("GET", f"/v1/customers/{gone['id']}")
    expanded = ["tax", "tax_ids", "sources", "invoice_credit_balance"]
    ask("GET", path, expand=expanded)
    ask("GET", "/v1/customers", email="a@example.com", created={"gte": 0})


def subscriptions(ask: Guide) -> None:
    now = ask.clock.seconds
    subscription = ask(
        "POST",
        "/v1/subscriptions",
        customer=ask.made["customer"],
        items=[
            {"price": ask.made["metered"], "metadata": {"a": "b"}},
            {"price": ask.made["licensed"], "quantity": 2},
        ],
        billing_mode={"type": "flexible"},
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
        billing_cycle_anchor_config={
            "day_of_month": 1,
            "month": 4,
            "hour": 0,
            "minute": 0,
            "second": 0,
        },
        expand=["customer", "items.data.price.product"],
    )
    ask.made["subscription"] = subscription["id"]
    first, second = subscription["items"]["data"]
    ask.made["item"] = first["id"]
    path = f"/v1/subscriptions/{subscription['id']}"
    ask(
        "POST",
        path,
        items=[
            {"id": second["id"], "quantity": 3},
            {"price": ask.made["tiered"]},
        ],
        cancellation_details={"comment": "why not", "feedback": "unused"},
        pause_collection={"behavior": "void", "resumes_at": now + 86_400},
        billing_cycle_anchor={"type": "unchanged"},
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    changed = {"id": second["id"], "price_data": _inline_price(ask, 600)}
    ask(
        "POST",
        path,
        items=[changed],
        automatic_tax={"enabled": False},
        payment_settings={"save_default_payment_method": "on_subscription"},
    )
    ask("POST", path, items=[{"id": second["id"], "deleted": True}], cancel_at=now + 60)
    ask("GET", path, expand=["latest_invoice", "items.data.price.tiers"])
    other = ask(
        "POST",
        "/v1/subscriptions",
        customer=ask.made["customer"],
        items=[{"price_data": _inline_price(ask, 500)}],
        billing_mode={"type": "classic"},
        automatic_tax={"enabled": False},
        payment_settings={"save_default_payment_method": "on_subscription"},
        trial_period_days=7,
    )
    ask(
        "GET",
        "/v1/subscriptions",
        customer=ask.made["customer"],
        created=_EVER,
        current_period_end=_EVER,
        current_period_start=_EVER,
    )
    ask(
        "DELETE",
        f"/v1/subscriptions/{other['id']}",
        cancellation_details={"feedback": "unused"},
    )
    ask("GET", f"/v1/customers/{ask.made['customer']}", expand=["subscriptions"])


def subscription_items(ask: Guide) -> None:
    ask("GET", "/v1/subscription_items", subscription=ask.made["subscription"])
    ask("GET", f"/v1/subscription_items/{ask.made['item']}")
    of = {"subscription": ask.made["subscription"]}
    price = ask(
        "POST",
        "/v1/prices",
        product=ask.made["product"],
        currency="usd",
        unit_amount=500,
        recurring={"interval": "month"},
    )
    added = ask("POST", "/v1/subscription_items", **of, price=price["id"], quantity=2)
    path = f"/v1/subscription_items/{added['id']}"
    ask("POST", path, quantity=3, metadata={"a": "b"})
    ask("POST", path, price_data=_inline_price(ask, 700))
    ask("DELETE", path)
    added = ask(
        "POST", "/v1/subscription_items", **of, price_data=_inline_price(ask, 8)
    )
    ask("DELETE", f"/v1/subscription_items/{added['id']}")


def _inline_price(ask: Guide, cents: int) -> dict[str, object]:
    return {
        "currency": "usd",
        "product": ask.made["product"],
        "recurring": {"interval": "month", "interval_count": 1},
        "unit_amount": cents,
        "tax_behavior": "exclusive",
    }


def usage(ask: Guide) -> None:
    customer = ask.made["customer"]
    payload = {"stripe_customer_id": customer, "value": "5"}
    event = {"event_name": "api_requests", "payload": payload}
    ask("POST", "/v1/billing/meter_events", **event, identifier="one")
    ask("POST", "/v1/billing/meter_events", **event, timestamp=ask.clock.seconds)
    ask(
        "POST",
        "/v1/billing/meter_event_adjustments",
        event_name="api_requests",
        type="cancel",
        cancel={"identifier": "one"},
    )
    day = ask.clock.seconds // 86_400 * 86_400
    asked: dict[str, object] = {
        "customer": customer,
        "start_time": day - 86_400,
        "end_time": day + 86_400,
        "value_grouping_window": "day",
    }
    summaries = f"/v1/billing/meters/{ask.made['meter']}/event_summaries"
    page = ask("GET", summaries, **asked)
    cursor = page["data"][-1]["id"]
    ask("GET", PLACEHOLDER, **asked, ending_before=cursor)


def v2_usage(ask: Guide) -> None:
    payload = {"stripe_customer_id": ask.made["customer"], "value": "5"}
    event = {"event_name": "api_requests", "payload": payload, "identifier": "two"}
    ask(
        "POST",
        "/v2/billing/meter_events",
        **event,
        timestamp=ask.clock.at.isoformat(),
    )
    ask(
        "POST",
        "/v2/billing/meter_event_adjustments",
        event_name="api_requests",
        type="cancel",
        cancel={"identifier": "two"},
    )
    ask("POST", "/v2/billing/meter_event_session")
    lost = {"event_name": "api_requests", "payload": {"stripe_customer_id": "cus_x"}}
    nowhere = {**event, "event_name": "no_such_meter"}
    ask("POST", "/v2/billing/meter_event_stream", events=[lost, event, nowhere])


def events(ask: Guide) -> None:
    page = ask("GET", "/v1/events", limit=100, created={"gte": 0})
    ask("GET", f"/v1/events/{page['data'][0]['id']}")
    ask.clock.at += timedelta(seconds=15)
    bounds = {"gt": "2000", "gte": "2000", "lt": "3000", "lte": "3000"}
    thin = ask("GET", "/v2/core/events", created=bounds)
    for each in thin["data"]:
        ask("GET", f"/v2/core/events/{each['id']}")
