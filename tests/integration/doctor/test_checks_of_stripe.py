"""What the doctor finds in Stripe besides what each check's one fixture shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.integration.doctor.conftest import API, SEATS, Ward, counter
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.context import Mode, Secret, StripeOptions
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.prices import PriceInfo
from meterdeck.core.model.usage import PlanName, ResourceKind
from meterdeck.core.services.doctor.check import Patient
from meterdeck.core.services.doctor.doctor import CHECKS
from meterdeck.core.services.doctor.stripe_checks import KEY


async def test_a_deleted_customer_is_found_before_others(billed_ward: Ward) -> None:
    """The directory still names it; whoever reads Stripe anew forgets it."""
    ward = billed_ward
    gone = ward.account.customer("gone")
    await ward.read_stripe()
    ward.account.call("DELETE", f"/v1/customers/{gone}")
    found = (await ward.findings("customers"))["customers"]
    assert found.severity is Severity.FAULT
    assert "1 customer is deleted in Stripe: gone; all 2 customers asked" in found.found

    await ward.read_stripe()
    assert await ward.wrong("customers") == {}


async def test_customers_that_are_shared_are_found(billed_ward: Ward) -> None:
    """Two tenants with one customer share an invoice; a tenant may have two."""
    ward = billed_ward
    ward.store.hset("meterdeck:tenant:twin", mapping={"customer": ward.account.acme})
    ward.store.sadd("meterdeck:tenants", "twin")
    found = (await ward.findings("customers"))["customers"]
    assert (found.severity, "acme, twin" in found.found) == (Severity.FAULT, True)

    second = ward.account.customer("acme")
    ward.store.srem("meterdeck:tenants", "twin")
    ward.store.delete("meterdeck:tenant:twin")
    await ward.read_stripe()
    found = (await ward.findings("customers"))["customers"]
    assert (found.severity, second in found.found) == (Severity.WARNING, True)
    ward.account.call("DELETE", f"/v1/customers/{second}")
    await ward.read_stripe()
    assert await ward.wrong("customers") == {}


async def test_what_redis_knows_of_customers_is_told_without_stripe(
    billed_ward: Ward,
) -> None:
    """Who shares one, and who has none; not whether one is deleted."""
    ward = billed_ward
    ward.key_problem = "stripe.api_key is missing"
    options = replace(ward.context.delivery, webhook_port=1)
    ward.context = replace(ward.context, delivery=options)
    found = await ward.findings("customers", "grace", "items", "webhook")
    assert "delivery.webhook_secret is missing" in found["webhook"].found
    customers = found["customers"]
    assert (customers.severity, customers.first) == (Severity.UNKNOWN, "key")
    assert "1 tenant, none shares a customer" in customers.found
    assert found["grace"].severity is Severity.OK
    assert (found["items"].mend, found["items"].first) == ("mend key first", "key")

    ward.store.hset("meterdeck:tenant:twin", mapping={"customer": ward.account.acme})
    ward.store.sadd("meterdeck:tenants", "twin")
    assert (await ward.findings("customers"))["customers"].severity is Severity.FAULT


async def test_a_key_that_is_refused_still_gets_the_time(billed_ward: Ward) -> None:
    """The refusal has its Date; everything else waits for a key that is taken."""
    ward, options = billed_ward, billed_ward.context.stripe
    assert options is not None
    other = replace(options, api_key=Secret("sk_test_other"))
    ward.context = replace(ward.context, stripe=other)
    ward.account.ahead = timedelta(seconds=90)
    try:
        found = await ward.wrong()
    finally:
        ward.account.ahead = timedelta(0)
    assert found["stripe"].severity is Severity.FAULT
    assert "s behind Stripe" in found["stripe_clock"].found
    assert {found[n].first for n in ("stripe_version", "meters", "items")} == {"stripe"}


async def test_every_customer_is_asked_about_in_pages(billed_ward: Ward) -> None:
    """With --all: whoever no page has is asked about singly, and nobody is missed."""
    ward, seller = billed_ward, billed_ward.account.seller
    customers = [ward.account.customer(f"t{n}") for n in range(5)]
    for customer in customers[1:]:
        seller.subscription(customer, ward.account.price)
    ward.store.mset({counter(f"t{n}"): 5 for n in range(5)})
    await ward.read_stripe()
    ward.asked = 3
    found = await ward.findings("customers", "items")
    drawn = "3 of 6 customers asked about in Stripe, drawn by lot"
    assert f"{drawn}, those with usage first (all: --all)" in found["customers"].found
    assert f"{drawn} (all: --all)" in found["items"].found

    ward.account.call("DELETE", f"/v1/customers/{customers[1]}")
    asked: list[str] = []

    async def note(_method: str, path: str) -> None:
        asked.append(path)

    ward.whole, ward.account.local.pace = True, note
    try:
        found = await ward.findings("customers", "items")
    finally:
        ward.account.local.pace = None
        for customer in (customers[0], *customers[2:]):
            ward.account.call("DELETE", f"/v1/customers/{customer}")
    every = "all 6 customers asked about in Stripe"
    assert found["customers"].found == f"1 customer is deleted in Stripe: t1; {every}"
    two = "2 tenants with usage have no metered item"
    assert found["items"].found.startswith(two)
    assert [each for each in asked if "/customers/" in each] == [
        f"/v1/customers/{customers[1]}"
    ]


async def test_meters_that_are_inactive_or_count_otherwise_are_found(
    billed_ward: Ward,
) -> None:
    """Each by its name, with what is wrong with it."""
    ward = billed_ward
    gauge = replace(SEATS, kind=ResourceKind.GAUGE, meter=API.meter)
    ward.context = replace(ward.context, resources=(API, gauge))
    found = (await ward.findings("meters"))["meters"]
    assert "api_requests makes the sum of seats, not the last" in found.found
    ward.account.seller.meter("hourly", event_time_window="hour")
    hourly = replace(API, meter="hourly")
    ward.context = replace(ward.context, resources=(hourly,))
    found = (await ward.findings("meters"))["meters"]
    assert "hourly counts only the last event of api_calls in each hour" in found.found
    ward.context = replace(ward.context, resources=(API, gauge))

    meter = f"/v1/billing/meters/{ward.account.meter}"
    ward.account.call("POST", f"{meter}/deactivate")
    found = (await ward.findings("meters", "prices"))["prices"]
    ward.account.call("POST", f"{meter}/reactivate")
    assert f"{ward.account.price} is of api_requests" in found.found


async def test_a_free_plan_and_an_ended_subscription_need_no_metered_item(
    billed_ward: Ward,
) -> None:
    """Where the default plan says what they may use."""
    ward = billed_ward
    customer = ward.account.customer("free")
    subscription = ward.account.seller.subscription(customer, ward.account.fee)
    await ward.read_stripe()
    ward.count(counter("free"))
    assert list(await ward.wrong("items")) == ["items"]

    ward.context = replace(ward.context, default_plan=PlanName("free"))
    assert await ward.wrong("items") == {}
    ward.account.call("DELETE", f"/v1/subscriptions/{subscription}")


async def test_drafts_tell_how_long_invoices_take_usage(billed_ward: Ward) -> None:
    """The shortest of those that are open: an hour, as Stripe does it by itself."""
    ward = billed_ward
    local, seller = ward.account.local, Seller(ward.account.local)
    clock = create_clock(local)
    customer = seller.customer("Clocked", test_clock=clock)
    subscription = seller.subscription(customer, ward.account.fee)
    made = ward.account.call("GET", f"/v1/subscriptions/{subscription}")
    ends = made["items"]["data"][0]["current_period_end"]
    local.call(
        "POST", f"/v1/test_helpers/test_clocks/{clock}/advance", {"frozen_time": ends}
    )
    found = (await ward.findings("grace"))["grace"]
    assert found.found.startswith("invoices take usage for 60 min, by 1 draft, and")
    local.call("DELETE", f"/v1/test_helpers/test_clocks/{clock}", {})


async def test_a_metered_price_without_a_meter_is_found(billed_ward: Ward) -> None:
    """Of Stripe's old usage records; today's API, and so the local one, makes none."""
    price = PriceInfo("price_old", "prod", "usd", None, usage_type="metered")

    class OldAccount(Patient):
        async def account(self) -> Account:
            return Account(prices=(price,))

    (check,) = (each for each in CHECKS if each.name == "prices")
    context, places = billed_ward.context, billed_ward.places
    verdict = await check.look(OldAccount(billed_ward.store, context, places=places))
    assert (verdict.severity, "price_old has none" in verdict.found) == (
        Severity.FAULT,
        True,
    )


async def test_a_live_secret_key_is_worth_a_word(billed_ward: Ward) -> None:
    """A restricted one is enough, and does less harm in other hands."""
    context = replace(billed_ward.context, mode=Mode.LIVE)
    found = []
    for key in ("sk_live_x", "rk_live_x"):
        stripe = StripeOptions(Secret(key))
        patient = Patient(
            billed_ward.store,
            replace(context, stripe=stripe),
            places=billed_ward.places,
        )
        found.append((await KEY.look(patient)).severity)
    assert found == [Severity.WARNING, Severity.OK]


async def test_what_nobody_takes_over_or_takes_out_is_found(billed_ward: Ward) -> None:
    """An event in flight, and one of the queue, that wait for over 10 minutes."""
    ward, store = billed_ward, billed_ward.store
    past = int((datetime.now(UTC) - timedelta(minutes=20)).timestamp() * 1000)
    store.zadd("meterdeck:unsettled", {"meterdeck:billing:acme:api_calls:x": past})
    store.xadd("meterdeck:queue", {"tenant": "acme"}, id=f"{past}-0")
    store.xgroup_create("meterdeck:queue", "meterdeck", "0")
    found = await ward.wrong()
    assert list(found) == ["queue", "leases"]
    assert "waits for 20 min" in found["queue"].found
    assert "1 event in flight that nobody has taken over" in found["leases"].found

    store.delete("meterdeck:queue")
    store.rpush("meterdeck:queue", "x")
    queue = (await ward.findings("queue"))["queue"]
    assert (queue.severity, "holds no stream" in queue.found) == (Severity.FAULT, True)


def create_clock(local: LocalStripe) -> str:
    """Create a test clock that stands at this moment."""
    now = int(datetime.now(UTC).timestamp())
    made = local.call("POST", "/v1/test_helpers/test_clocks", {"frozen_time": now})
    return str(made["id"])
