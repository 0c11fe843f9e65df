"""`/v1/billing/credit_grants`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe import credit_ledger as ledger
from meterdeck.core.local_stripe.credit_records import CreditGrant
from meterdeck.core.local_stripe.credit_transactions import monetary
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import invalid, missing_param, rejected
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    METADATA,
    PAGE,
    TIME,
    Integer,
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Json, from_seconds, seconds
from meterdeck.core.local_stripe.world import World

MOST_UNUSED = 100
_URL = "/v1/billing/credit_grants"
_PRICE = Section({"id": Text()}, required=("id",))
SCOPE = Section(
    {
        "price_type": Text(choices=("metered",)),
        "prices": ListOf(_PRICE, 20),
    }
)
_MONETARY = Section(
    {"currency": Text(3), "value": Integer(1)}, required=("currency", "value")
)
_CREATE = Section(
    {
        "amount": Section(
            {"monetary": _MONETARY, "type": Text(choices=("monetary",))},
            required=("type",),
        ),
        "applicability_config": Section({"scope": SCOPE}, required=("scope",)),
        "category": Text(choices=("paid", "promotional")),
        "customer": Text(),
        "customer_account": Unsupported(),
        "effective_at": TIME,
        "expires_at": TIME,
        "metadata": METADATA,
        "name": Text(100),
        "priority": Integer(0, 100),
        **EXPAND,
    },
    required=("amount", "applicability_config"),
)
_UPDATE = Section(
    {
        "expires_at": Integer(0, TIME.most, clearable=True),
        "metadata": METADATA,
        **EXPAND,
    }
)
_LIST = Section({"customer": Text(), "customer_account": Unsupported(), **PAGE})
_ONLY_EXPAND = Section(EXPAND)


def render(world: World, grant: CreditGrant) -> Json:
    """Give the billing.credit_grant object."""
    clock = world.clock_of(grant.customer)
    scope: Json = {"price_type": "metered"}
    if grant.prices:
        scope = {"prices": [{"id": each} for each in grant.prices]}
    return {
        "id": grant.id,
        "object": "billing.credit_grant",
        "amount": monetary(grant.currency, grant.value),
        "applicability_config": {"scope": scope},
        "category": grant.category,
        "created": seconds(grant.created),
        "customer": grant.customer,
        "customer_account": None,
        "effective_at": seconds(grant.effective_at),
        "expires_at": grant.expires_at and seconds(grant.expires_at),
        "livemode": False,
        "metadata": dict(grant.metadata),
        "name": grant.name,
        "priority": grant.priority,
        "test_clock": clock and clock.id,
        "updated": seconds(grant.updated),
        "voided_at": grant.voided_at and seconds(grant.voided_at),
    }


def create(world: World, call: Call) -> Json:
    """Give a customer credits."""
    sent = call.parameters
    customer = world.living_customer(sent.required_text("customer"), "customer")
    now = world.time_of(customer.id).replace(microsecond=0)
    effective_at = _time(sent, "effective_at") or now
    expires_at = _time(sent, "expires_at")
    _check_expiry(expires_at, effective_at, now)
    money = _amount(sent)
    config = sent.section("applicability_config") or Parameters({})
    priority = sent.integer("priority")
    grant = CreditGrant(
        id=world.ids.v2("credgr"),
        created=now,
        updated=now,
        customer=customer.id,
        currency=_currency(money),
        value=money.required_integer("value"),
        effective_at=effective_at,
        prices=scoped_prices(world, config.section("scope")),
        category=sent.text("category") or "paid",
        expires_at=expires_at,
        metadata=merged({}, sent),
        name=sent.text("name"),
        priority=50 if priority is None else priority,
    )
    _check_room(world, customer.id)
    world.credit_grants.put(grant)
    world.events.emit("billing.credit_grant.created", render(world, grant), at=now)
    ledger.record(
        world,
        grant,
        "credits_granted",
        grant.value,
        now,
        effective_at=effective_at,
    )
    ledger.plan_expiry(world, grant)
    return render(world, grant)


def retrieve(world: World, call: Call) -> Json:
    """Give one grant."""
    return render(world, world.credit_grants.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change when it expires, or its metadata."""
    sent = call.parameters
    before = world.credit_grants.get(call.id)
    now = world.time_of(before.customer).replace(microsecond=0)
    expires_at = before.expires_at
    if "expires_at" in sent:
        _check_open(before, now)
        expires_at = _time(sent, "expires_at")
        _check_expiry(expires_at, before.effective_at, now)
    metadata = merged(before.metadata, sent)
    after = replace(before, expires_at=expires_at, metadata=metadata, updated=now)
    return _changed(world, before, after)


def expire(world: World, call: Call) -> Json:
    """End it now; what is left is lost."""
    before = world.credit_grants.get(call.id)
    now = world.time_of(before.customer).replace(microsecond=0)
    _check_open(before, now)
    answer = _changed(world, before, replace(before, expires_at=now, updated=now))
    ledger.expire(world, before, now)
    return answer


def void(world: World, call: Call) -> Json:
    """Take it back; only if no invoice was paid with it."""
    before = world.credit_grants.get(call.id)
    now = world.time_of(before.customer).replace(microsecond=0)
    _check_open(before, now)
    if ledger.is_used(world, before):
        raise rejected(
            "This credit grant cannot be voided because it has been applied to an"
            " invoice. Expire it instead."
        )
    after = replace(before, voided_at=now, updated=now)
    answer = _changed(world, before, after)
    ledger.record(world, after, "credits_voided", ledger.balance(world, after), now)
    return answer


def list_(world: World, call: Call) -> Json:
    """List grants, newest first."""
    customer = call.parameters.text("customer")
    grants = world.credit_grants
    if customer is not None:
        world.customers.get(customer, "customer")
        grants = grants.only(customer)
    return page_of(
        grants,
        call.parameters,
        url=_URL,
        keep=lambda _: True,
        render=lambda each: render(world, each),
    )


def scoped_prices(world: World, scope: Parameters | None) -> tuple[str, ...]:
    """Give the metered prices a scope names; none when it names all of them."""
    if scope is None or ("price_type" in scope) == ("prices" in scope):
        raise invalid(
            "You must specify exactly one of price_type, prices.",
            scope.name if scope else "",
        )
    named = scope.sections("prices")
    if "prices" in scope and not named:
        raise missing_param(scope.path("prices"))
    for each in named:
        price = world.prices.get(each.required_text("id"), each.path("id"))
        if price.recurring is None or not price.recurring.metered:
            raise invalid(
                f"The price {price.id} is not a metered price.", each.path("id")
            )
    return tuple(each.required_text("id") for each in named)


def _amount(sent: Parameters) -> Parameters:
    amount = sent.section("amount") or Parameters({}, "amount")
    money = amount.section("monetary")
    if money is None:
        raise missing_param(amount.path("monetary"))
    return money


def _currency(money: Parameters) -> str:
    currency = money.required_text("currency").lower()
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise invalid(f"Invalid currency: {currency}.", money.path("currency"))
    return currency


def _time(sent: Parameters, key: str) -> datetime | None:
    moment = sent.integer(key)
    return None if moment is None else from_seconds(moment)


def _check_expiry(
    expires_at: datetime | None, effective_at: datetime, now: datetime
) -> None:
    if expires_at is None:
        return
    if expires_at <= now:
        raise invalid("expires_at must be in the future.", "expires_at")
    if expires_at <= effective_at:
        raise invalid("expires_at must be after effective_at.", "expires_at")


def _check_open(grant: CreditGrant, now: datetime) -> None:
    if grant.voided_at is not None:
        raise rejected("The credit grant is already voided.")
    if grant.expired(now):
        raise rejected("The credit grant is already expired.")


def _check_room(world: World, customer: str) -> None:
    unused = [each for each in ledger.usable(world, customer) if each.left > 0]
    if len(unused) >= MOST_UNUSED:
        raise rejected(
            f"A customer can have at most {MOST_UNUSED} unused credit grants.",
            "customer",
        )


def _changed(world: World, before: CreditGrant, after: CreditGrant) -> Json:
    world.credit_grants.put(after)
    if after.expires_at != before.expires_at:
        ledger.plan_expiry(world, after)
    world.events.emit(
        "billing.credit_grant.updated",
        render(world, after),
        render(world, before),
        after.updated,
    )
    return render(world, after)


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}", update, _UPDATE),
    Operation("POST", f"{_URL}/{{}}/expire", expire, _ONLY_EXPAND),
    Operation("POST", f"{_URL}/{{}}/void", void, _ONLY_EXPAND),
)
