"""`/v1/billing/alerts`: fire once per customer for life, as late as summaries show."""

from typing import Any

import pytest
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal

_URL = "/v1/billing/alerts"


def alert(
    local: LocalStripe, meter: str, gte: object = 100, **threshold: object
) -> str:
    """Create an alert."""
    usage = {"meter": meter, "gte": gte, "recurrence": "one_time", **threshold}
    params = {
        "title": "Much used",
        "alert_type": "usage_threshold",
        "usage_threshold": usage,
    }
    return str(local.call("POST", _URL, params)["id"])


def fired(local: LocalStripe) -> list[Any]:
    """Give what fired, newest first: the events' objects."""
    page = local.call("GET", "/v1/events", {"type": "billing.alert.triggered"})
    data = page["data"]
    assert isinstance(data, list)
    return [each["data"]["object"] for each in data]


def test_an_alert_fires_once_for_each_customer_with_all_it_ever_used(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Usage of before the alert does not fire it, and counts; more fires nothing."""
    meter, acme, other = seller.meter(), seller.customer(), seller.customer()
    seller.event(acme, "150")
    seller.event(other, "99")
    clock.move(days=40)
    created = alert(local, meter)
    assert fired(local) == []

    seller.event(acme, "0.5")
    seller.event(acme, "1000")
    seller.event(other, "1")
    found = fired(local)

    assert [(each["customer"], each["value"]) for each in found] == [
        (other, 100),
        (acme, 150),
    ]
    assert list(found[0]) == [
        *("object", "alert", "created", "customer", "livemode", "value")
    ]
    assert found[0]["alert"] == local.call("GET", f"{_URL}/{created}", {})


def test_an_alert_fires_when_summaries_show_the_usage(clock: Clock) -> None:
    """Not before, and for usage in between not later than its own time."""
    slow = LocalStripe(now=clock, summary_lag_s=60)
    seller = Seller(slow)
    meter, customer = seller.meter(), seller.customer()
    alert(slow, meter)

    seller.event(customer, "60")
    clock.move(seconds=50)
    seller.event(customer, "60")
    clock.move(seconds=59)
    early = fired(slow)
    clock.move(seconds=1)

    assert early == []
    assert [each["value"] for each in fired(slow)] == [120]


def test_usage_that_is_not_yet_seen_fires_no_alert_made_after_it(clock: Clock) -> None:
    """An older alert has it looked at; the new one waits for new usage."""
    slow = LocalStripe(now=clock, summary_lag_s=60)
    seller = Seller(slow)
    meter, customer = seller.meter(), seller.customer()
    alert(slow, meter, gte=1_000)
    seller.event(customer, "60")
    clock.move(seconds=10)
    alert(slow, meter, gte=50)
    clock.move(seconds=60)
    early = fired(slow)

    seller.event(customer, "1")
    clock.move(seconds=60)

    assert early == []
    assert [each["value"] for each in fired(slow)] == [61]


def test_an_alert_follows_a_lag_that_becomes_shorter(clock: Clock) -> None:
    """What is waiting shows in summaries at once, and so to the alert."""
    slow = LocalStripe(now=clock, summary_lag_s=60)
    seller = Seller(slow)
    alert(slow, seller.meter())
    seller.event(seller.customer(), "100")
    assert fired(slow) == []

    slow.panel.change({"summary_lag_s": 0})

    assert len(fired(slow)) == 1


def test_an_alert_with_a_filter_watches_one_customer(
    local: LocalStripe, seller: Seller
) -> None:
    """Nobody else's usage makes it fire."""
    meter, acme, other = seller.meter(), seller.customer(), seller.customer()
    alert(local, meter, filters=[{"type": "customer", "customer": acme}])
    alert(local, meter, gte=10_000)

    seller.event(other, "500")
    seller.event(acme, "500")

    assert [each["customer"] for each in fired(local)] == [acme]


def test_a_customer_on_a_test_clock_fires_no_alert(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Stripe says that alerts do not work with test clocks."""
    params = {"frozen_time": clock.seconds}
    frozen = local.call("POST", "/v1/test_helpers/test_clocks", params)["id"]
    customer = local.call("POST", "/v1/customers", {"test_clock": frozen})["id"]
    alert(local, seller.meter())

    seller.event(str(customer), "500")

    assert fired(local) == []


def test_an_inactive_alert_does_not_fire_and_an_archived_one_never_again(
    local: LocalStripe, seller: Seller
) -> None:
    """A deactivated one comes back; an archived one leaves the list and stays so."""
    meter, customer = seller.meter(), seller.customer()
    created = alert(local, meter)
    local.call("POST", f"{_URL}/{created}/deactivate", {})
    seller.event(customer, "500")
    assert fired(local) == []
    local.call("POST", f"{_URL}/{created}/activate", {})
    seller.event(customer, "1")
    assert [each["value"] for each in fired(local)] == [501]

    archived = local.call("POST", f"{_URL}/{created}/archive", {})
    with pytest.raises(LocalStripeRefusal, match="cannot be undone"):
        local.call("POST", f"{_URL}/{created}/activate", {})

    assert archived["status"] == "archived"
    assert local.call("GET", _URL, {"meter": meter})["data"] == []


def test_a_meter_and_a_customer_have_at_most_25_alerts(
    local: LocalStripe, seller: Seller
) -> None:
    """Other customers' and archived ones do not count; lists tell meters apart."""
    meter, acme = seller.meter(), seller.customer()
    elsewhere = alert(local, seller.meter("images"))
    mine = {"filters": [{"type": "customer", "customer": acme}]}
    alerts = [alert(local, meter, **mine) for _ in range(25)]
    alert(local, meter)

    with pytest.raises(LocalStripeRefusal, match="at most 25 alerts"):
        alert(local, meter, **mine)
    local.call("POST", f"{_URL}/{alerts[0]}/archive", {})
    alert(local, meter, **mine)

    page = local.call("GET", _URL, {"meter": meter, "limit": 100})
    assert isinstance(page["data"], list)
    assert len(page["data"]) == 26
    assert elsewhere not in {each["id"] for each in page["data"]}


def test_an_alerts_meter_and_customer_can_be_expanded(
    local: LocalStripe, seller: Seller
) -> None:
    """They stand inside groups that are no objects; the keys are the documented."""
    meter, acme = seller.meter(), seller.customer("Acme")
    created = alert(
        local, meter, filters=[{"type": "customer", "customer": acme}], gte=7
    )
    paths = ["usage_threshold.meter", "usage_threshold.filters.customer"]

    plain = local.call("GET", f"{_URL}/{created}", {})
    whole: Any = local.call("GET", f"{_URL}/{created}", {"expand": paths})

    assert list(plain) == [
        *("id", "object", "alert_type", "livemode", "status", "title"),
        "usage_threshold",
    ]
    assert whole["usage_threshold"]["meter"]["event_name"] == "api_requests"
    [only] = whole["usage_threshold"]["filters"]
    assert (only["type"], only["customer"]["name"]) == ("customer", "Acme")
