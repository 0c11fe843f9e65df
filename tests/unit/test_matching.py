"""Which tenant a customer is, and which plan and cycle it has."""

from datetime import UTC, datetime

import pytest

from meterdeck.core.model.context import (
    Context,
    Mode,
    PlanRule,
    RedisOptions,
    Secret,
    StripeOptions,
)
from meterdeck.core.model.periods import Cycle, Interval
from meterdeck.core.model.subscriptions import (
    Customer,
    Subscription,
    SubscriptionItem,
    best_subscription,
)
from meterdeck.core.model.usage import Plan, PlanName, ResourceName, TenantStatus
from meterdeck.core.services.matching import plan_of, rules_digest, tenant_of

CALLS = ResourceName("api_calls")
FREE, PRO, TEAM = PlanName("free"), PlanName("pro"), PlanName("team")
ANCHOR = datetime(2026, 1, 31, tzinfo=UTC)
NOVEMBER, DECEMBER = (
    datetime(2026, 11, 30, tzinfo=UTC),
    datetime(2026, 12, 31, tzinfo=UTC),
)


def context(
    *rules: PlanRule, tenant_key: str = "tenant", pro_calls: int = 7
) -> Context:
    """Return a context with three plans and these rules."""
    limits = {FREE: 1, PRO: pro_calls, TEAM: None}
    return Context(
        name="test",
        mode=Mode.TEST,
        read_only=False,
        redis=RedisOptions("redis://127.0.0.1"),
        stripe=StripeOptions(Secret("sk_test_1"), tenant_metadata_key=tenant_key),
        resources=(),
        plans={
            name: Plan(name, name, {CALLS: units}) for name, units in limits.items()
        },
        plan_rules=rules,
        default_plan=FREE,
    )


def item(
    price: str = "price_1",
    *,
    lookup: str = "",
    product: str = "prod_1",
    metered: bool = False,
    interval: str = "month",
    start: datetime = NOVEMBER,
    end: datetime = DECEMBER,
) -> SubscriptionItem:
    """Return an item of a subscription."""
    usage = "metered" if metered else "licensed"
    return SubscriptionItem(price, lookup, product, "", usage, interval, 1, start, end)


def subscription(
    *items: SubscriptionItem,
    status: TenantStatus = TenantStatus.ACTIVE,
    **metadata: str,
) -> Subscription:
    """Return a subscription of cus_1."""
    return Subscription("sub_1", "cus_1", status, items, ANCHOR, metadata, ANCHOR)


BY_LOOKUP = PlanRule(PRO, lookup_keys=frozenset({"pro_monthly", "pro_yearly"}))
BY_PRICE = PlanRule(PRO, prices=frozenset({"price_pro"}))
BY_PRODUCT = PlanRule(TEAM, products=frozenset({"prod_team"}))


@pytest.mark.parametrize(
    ("found", "plan"),
    [
        (subscription(item(lookup="pro_yearly")), PRO),
        (subscription(item("price_pro")), PRO),
        (subscription(item(product="prod_team")), TEAM),
        (subscription(item("price_other"), item("price_pro")), PRO),
        (subscription(item("price_pro"), plan="team"), TEAM),
        (subscription(item("price_pro"), plan="Team"), PRO),
        (subscription(item()), ""),
        (subscription(), ""),
        (subscription(item("price_pro", product="prod_team")), PRO),
    ],
    ids=[
        "lookup key",
        "price",
        "product",
        "second item",
        "metadata wins",
        "metadata naming no plan",
        "nothing fits",
        "no items",
        "first rule wins",
    ],
)
def test_a_plan_is_matched(found: Subscription, plan: str) -> None:
    """Metadata, then the rules in order, by lookup key, price or product."""
    assert plan_of(found, context(BY_LOOKUP, BY_PRICE, BY_PRODUCT)) == plan


def test_a_price_without_lookup_key_fits_no_rule_of_lookup_keys() -> None:
    """Empty is not a key: nothing that is missing ever matches."""
    rule = PlanRule(PRO, lookup_keys=frozenset({"pro_monthly"}))

    assert plan_of(subscription(item(lookup="", product="")), context(rule)) == ""


def test_the_tenant_is_named_by_metadata_else_by_the_customer() -> None:
    """The metadata key is a setting; an empty value is none."""
    rules = context(tenant_key="account")

    named = Customer("cus_1", metadata={"account": "acme", "tenant": "other"})
    empty = Customer("cus_1", metadata={"account": ""})

    assert tenant_of(named, None, rules).id == "acme"
    assert tenant_of(empty, None, rules).id == "cus_1"
    assert tenant_of(empty, None, rules).name == "cus_1"


def test_the_metered_item_gives_cycle_and_period() -> None:
    """Fees by the week and the year beside monthly usage: it is counted by month."""
    weekly = item(interval="week", end=datetime(2026, 12, 7, tzinfo=UTC))
    yearly = item(interval="year", end=datetime(2027, 1, 31, tzinfo=UTC))
    metered = item("price_m", metered=True)

    tenant = tenant_of(
        Customer("cus_1"), subscription(weekly, yearly, metered), context()
    )

    assert tenant.cycle == Cycle(ANCHOR, Interval.MONTH, 1)
    assert (tenant.period_start, tenant.period_end) == (NOVEMBER, DECEMBER)


def test_an_unknown_interval_is_no_cycle() -> None:
    """A word Stripe may add some day is not guessed at."""
    tenant = tenant_of(
        Customer("cus_1"), subscription(item(interval="fortnight")), context()
    )

    assert tenant.cycle is None
    assert tenant.period_end == DECEMBER


@pytest.mark.parametrize(
    "status", [TenantStatus.CANCELED, TenantStatus.INCOMPLETE_EXPIRED]
)
def test_an_ended_subscription_gives_no_limits(status: TenantStatus) -> None:
    """Its plan is still shown; what it allowed is over."""
    ended = subscription(item("price_pro"), status=status)

    tenant = tenant_of(Customer("cus_1"), ended, context(BY_PRICE))

    assert (tenant.plan, tenant.limits) == (PRO, {})


def test_a_status_stripe_may_add_is_worse_than_any_known() -> None:
    """An unknown word never wins over a subscription that is understood."""
    odd = subscription(status=TenantStatus.UNKNOWN)
    canceled = subscription(status=TenantStatus.CANCELED)

    assert best_subscription([odd, canceled]) is canceled
    assert best_subscription([]) is None


def test_the_digest_changes_with_the_rules_and_with_nothing_else() -> None:
    """Same rules, same digest in every process; another limit, another digest."""
    digest = rules_digest(context(BY_LOOKUP))

    assert rules_digest(context(BY_LOOKUP)) == digest
    assert rules_digest(context(BY_PRICE)) != digest
    assert rules_digest(context(BY_LOOKUP, pro_calls=8)) != digest
    assert rules_digest(context(BY_LOOKUP, tenant_key="account")) != digest
