"""The tour's steps: what is billed, granted, watched, searched and pushed."""

from tests.support.sdk_guide import Guide


def alerts(ask: Guide) -> None:
    """Watch one customer's usage, which the steps after this one report."""
    alert = ask(
        "POST",
        "/v1/billing/alerts",
        alert_type="usage_threshold",
        title="Five",
        usage_threshold={
            "gte": 5,
            "meter": ask.made["meter"],
            "recurrence": "one_time",
            "filters": [{"type": "customer", "customer": ask.made["customer"]}],
        },
    )
    path = f"/v1/billing/alerts/{alert['id']}"
    ask("POST", f"{path}/deactivate")
    ask("POST", f"{path}/activate")
    ask("GET", path)
    ask("GET", "/v1/billing/alerts", meter=ask.made["meter"])
    other = ask(
        "POST",
        "/v1/billing/alerts",
        alert_type="usage_threshold",
        title="All",
        usage_threshold={
            "gte": 5,
            "meter": ask.made["meter"],
            "recurrence": "one_time",
        },
    )
    ask("POST", f"/v1/billing/alerts/{other['id']}/archive")


def credits_(ask: Guide) -> None:
    """Grant, change, expire, void, and look at what is left."""
    customer, now = ask.made["customer"], ask.clock.seconds
    common = {
        "customer": customer,
        "amount": {
            "type": "monetary",
            "monetary": {"currency": "usd", "value": 1000},
        },
    }
    scope = {"scope": {"price_type": "metered"}}
    one = {"scope": {"prices": [{"id": ask.made["metered"]}]}}
    made = [
        ask(
            "POST",
            "/v1/billing/credit_grants",
            **common,
            applicability_config=config,
            name="Welcome",
            category="promotional",
            expires_at=now + 86_400,
        )
        for config in (scope, scope, one)
    ]
    first, second, third = (f"/v1/billing/credit_grants/{each['id']}" for each in made)
    ask("POST", first, expires_at="", metadata={"a": "b"})
    ask("POST", f"{first}/expire")
    ask("POST", f"{second}/void")
    ask("GET", third)
    ask("GET", "/v1/billing/credit_grants", customer=customer)
    of_grant = {"type": "credit_grant", "credit_grant": made[2]["id"]}
    of_prices = {
        "type": "applicability_scope",
        "applicability_scope": {"prices": [{"id": ask.made["metered"]}]},
    }
    for chosen in (of_grant, of_prices):
        path = "/v1/billing/credit_balance_summary"
        ask("GET", path, customer=customer, filter=chosen)
    path = "/v1/billing/credit_balance_transactions"
    page = ask("GET", path, customer=customer)
    ask("GET", f"{path}/{page['data'][0]['id']}")


def previews(ask: Guide) -> None:
    """Look at the next invoice, and at one with other prices."""
    path = "/v1/invoices/create_preview"
    ask(
        "POST",
        path,
        subscription=ask.made["subscription"],
        subscription_details={"items": [{"id": ask.made["item"], "deleted": True}]},
    )
    ask(
        "POST",
        path,
        customer=ask.made["customer"],
        subscription_details={
            "items": [
                {"price": ask.made["licensed"], "quantity": 2, "metadata": {"a": "b"}}
            ]
        },
    )


def searches(ask: Guide) -> None:
    """Find something of everything that can be searched."""
    for what in ("customers", "invoices", "prices", "products", "subscriptions"):
        query = "active:'true'" if what in {"prices", "products"} else "created>0"
        ask("GET", f"/v1/{what}/search", query=query, expand=["total_count"])


def event_destinations(ask: Guide) -> None:
    """Register a URL for thin events, and look at one of them."""
    path = "/v2/core/event_destinations"
    made = ask(
        "POST",
        path,
        name="Thin",
        type="webhook_endpoint",
        event_payload="thin",
        enabled_events=["*"],
        webhook_endpoint={"url": "https://example.com/hook"},
        include=["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
    )
    one = f"{path}/{made['id']}"
    ask("POST", one, webhook_endpoint={"url": "https://example.com/thin"})
    ask("GET", one)
    ask("POST", f"{one}/disable")
    ask("POST", f"{one}/enable")
    ask("POST", f"{one}/ping")
    ask("GET", path)
    ask("POST", "/v1/products", name="Told of as a thin event")
    [event] = ask("GET", "/v2/core/events", types=["v1.product.created"])["data"]
    ask("GET", f"/v2/core/events/{event['id']}")
    ask("DELETE", one)


def webhook_endpoints(ask: Guide) -> None:
    """Register a URL, to which nothing is pushed in a tour without a server."""
    path = "/v1/webhook_endpoints"
    made = ask("POST", path, url="https://example.com/hook", enabled_events=["*"])
    ask("POST", f"{path}/{made['id']}", disabled=True, description="Hook")
    ask("GET", f"{path}/{made['id']}")
    ask("GET", path)
    ask("DELETE", f"{path}/{made['id']}")
