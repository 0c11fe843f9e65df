"""`GET /v1/billing/credit_balance_summary`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from meterdeck.core.local_stripe import credit_ledger as ledger
from meterdeck.core.local_stripe.credit_grants import SCOPE, scoped_prices
from meterdeck.core.local_stripe.credit_records import CreditGrant
from meterdeck.core.local_stripe.credit_transactions import monetary
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import missing_param, no_such
from meterdeck.core.local_stripe.schema import EXPAND, Section, Text, Unsupported
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

_SCHEMA = Section(
    {
        "customer": Text(),
        "customer_account": Unsupported(),
        "filter": Section(
            {
                "applicability_scope": SCOPE,
                "credit_grant": Text(),
                "type": Text(choices=("applicability_scope", "credit_grant")),
            },
            required=("type",),
        ),
        **EXPAND,
    },
    required=("filter",),
)


def retrieve(world: World, call: Call) -> Json:
    """Add up what is left of a customer's grants, by currency."""
    sent = call.parameters
    customer = world.customers.get(sent.required_text("customer"), "customer")
    chosen = sent.section("filter") or Parameters({}, "filter")
    grants = _chosen(world, customer.id, chosen)
    currencies = dict.fromkeys(grant.currency for grant in grants)
    now = world.time_of(customer.id)
    return {
        "object": "billing.credit_balance_summary",
        "balances": [
            _balance(world, each, [g for g in grants if g.currency == each], now)
            for each in currencies
        ],
        "customer": customer.id,
        "customer_account": None,
        "livemode": False,
    }


def _chosen(world: World, customer: str, sent: Parameters) -> list[CreditGrant]:
    if sent.text("type") == "credit_grant":
        grant = world.credit_grants.get(
            sent.required_text("credit_grant"), sent.path("credit_grant")
        )
        if grant.customer != customer:
            raise no_such("credit grant", grant.id, sent.path("credit_grant"))
        return [grant]
    scope = sent.section("applicability_scope")
    if scope is None:
        raise missing_param(sent.path("applicability_scope"))
    prices = scoped_prices(world, scope)
    return [
        grant
        for grant in world.credit_grants.grouped(customer)
        if _covers(grant, prices)
    ]


def _covers(grant: CreditGrant, prices: tuple[str, ...]) -> bool:
    """Tell whether a grant can pay for every price of a scope."""
    if not prices:
        return not grant.prices
    return all(grant.pays_for(each) for each in prices)


def _balance(
    world: World, currency: str, grants: Iterable[CreditGrant], now: datetime
) -> Json:
    """Give both balances: what is not effective yet counts in neither."""
    effective = [each for each in grants if each.effective_at <= now]
    left = sum(ledger.balance(world, each) for each in effective)
    lost = sum(ledger.balance(world, each) for each in effective if each.expired(now))
    return {
        "available_balance": monetary(currency, left - lost),
        "ledger_balance": monetary(currency, left),
    }


OPERATIONS = (
    Operation("GET", "/v1/billing/credit_balance_summary", retrieve, _SCHEMA),
)
