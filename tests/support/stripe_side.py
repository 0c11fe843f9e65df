"""A local Stripe over HTTP with a small price list, and a context that knows it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from tests.support.contexts import CALLS, redis_context
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.model.context import Context, PlanRule, Secret, StripeOptions
from meterdeck.core.model.usage import Plan, PlanName
from meterdeck.core.services.directory_reader import utc_now

KEY = "sk_test_local"
FREE, PRO, TEAM = PlanName("free"), PlanName("pro"), PlanName("team")


@dataclass(frozen=True)
class StripeSide:
    """A running local Stripe.

    Attributes:
        requests: Method and path of every HTTP request so far.
        pro: Price whose lookup key stands for the plan pro.
        plain: Price that stands for no plan.
    """

    local: LocalStripe
    base_url: str
    seller: Seller
    requests: list[str]
    meter: str
    product: str
    pro: str
    plain: str

    def context(self, redis_url: str) -> Context:
        """Return a context on this Stripe and the Redis at `redis_url`."""
        context = redis_context(redis_url)
        return replace(
            context,
            stripe=StripeOptions(Secret(KEY), api_base=self.base_url),
            plans={
                **context.plans,
                PRO: Plan(PRO, "Pro", {CALLS: 100_000}),
                TEAM: Plan(TEAM, "Team", {CALLS: None}),
            },
            plan_rules=(PlanRule(PRO, lookup_keys=frozenset({"pro_monthly"})),),
        )

    def customer(self, tenant: str, name: str = "Acme") -> str:
        """Create the customer of a tenant."""
        metadata = {"tenant": tenant} if tenant else {}
        return self._post("/v1/customers", name=name, metadata=metadata)

    def subscribed(self, tenant: str, price: str = "", **more: object) -> str:
        """Create a tenant's customer with a subscription, to pro unless told."""
        customer = self.customer(tenant)
        self.seller.subscription(customer, price or self.pro, **more)
        return customer

    def rename(self, customer: str, name: str) -> None:
        """Give a customer another name."""
        self._post(f"/v1/customers/{customer}", name=name)

    def delete(self, customer: str) -> None:
        """Delete a customer."""
        self.local.call("DELETE", f"/v1/customers/{customer}", {})

    def cancel(self, subscription: str) -> None:
        """End a subscription at once."""
        self.local.call("DELETE", f"/v1/subscriptions/{subscription}", {})

    def _post(self, path: str, **params: object) -> str:
        return str(self.local.call("POST", path, params)["id"])


@asynccontextmanager
async def running_stripe(
    *, now: Callable[[], datetime] = utc_now, summary_lag_s: float = 0.0
) -> AsyncIterator[StripeSide]:
    """Run a local Stripe with one meter and two prices for the time of the block."""
    local = LocalStripe(api_key=KEY, now=now, summary_lag_s=summary_lag_s)
    requests: list[str] = []

    async def note(method: str, path: str) -> None:
        requests.append(f"{method} {path}")

    local.pace = note
    seller = Seller(local)
    meter, product = seller.meter(), seller.product()
    pro = seller.metered_price(meter, product, lookup_key="pro_monthly")
    plain = seller.licensed_price(seller.product("Other"))
    async with LocalStripeServer(local) as server:
        yield StripeSide(
            local, server.base_url, seller, requests, meter, product, pro, plain
        )
