"""A local Stripe with two catalogues that it is to be brought to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from uuid import uuid4

from tests.support.contexts import redis_context
from tests.support.selling import FORMS, Shop, declared, meter, price, product

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.catalogue_steps import CataloguePlan
from meterdeck.core.services.catalogue import CatalogueService
from meterdeck.core.services.catalogue_steps import Applied

BEFORE = declared(
    meter("tokens"),
    meter("seats", active=False),
    product(),
    price("unit", meter="tokens", nickname="A token"),
    price("fee", meter=""),
)
AFTER = declared(
    meter("tokens_v2", replaces="tokens"),
    meter("seats"),
    product(title="The API"),
    price("unit", FORMS[2], meter="tokens_v2"),
    price("fee", meter="", active=False),
    price("bulk", FORMS[1], meter="tokens_v2"),
)
WRITES = 10
"""What brings an account from one to the other."""


@dataclass(frozen=True)
class Stand:
    """A local Stripe, and the services of contexts that declare this and that."""

    local: LocalStripe
    gateway: StripeGateway

    def sell(self, catalogue: Catalogue) -> dict[str, str]:
        """Sell what is declared; return the prices' ids by their names."""
        return Shop(self.local).sell(catalogue)

    def sell_before(self) -> dict[str, str]:
        """Sell `BEFORE`; the price of usage is the product's default price."""
        prices = self.sell(BEFORE)
        unit = {"default_price": prices["unit"]}
        self.local.call("POST", "/v1/products/prod_api", unit)
        return prices

    def service(self, catalogue: Catalogue) -> CatalogueService:
        """Return the service of a context that declares this."""
        context = replace(redis_context("redis://127.0.0.1:1/0"), catalogue=catalogue)
        return CatalogueService(context, self.gateway)

    async def plan(self, catalogue: Catalogue) -> CataloguePlan:
        """Compare."""
        return await self.service(catalogue).plan()

    async def apply(self, catalogue: Catalogue) -> list[Applied]:
        """Plan, and carry the plan out as far as it goes."""
        service = self.service(catalogue)
        plan = await service.plan()
        return [each async for each in service.apply(plan, uuid4().hex)]

    async def account(self) -> Account:
        """Read the account."""
        return await self.service(AFTER).account()

    async def state(self) -> Counter[object]:
        """Return what is in the account but ids and times, as often as it is."""
        account = await self.account()
        events = {each.id: each.event_name for each in account.meters}
        keys = {each.id: each.lookup_key for each in account.prices}
        found: Counter[object] = Counter(
            (each.event_name, each.display_name, each.active) for each in account.meters
        )
        found.update(
            (each.id, each.name, each.active, keys.get(each.default_price))
            for each in account.products
        )
        for each in account.prices:
            meter_id = events.get(each.meter_id, "")
            metadata = dict(sorted(each.metadata.items()))
            same = replace(
                each, id="", created=None, meter_id=meter_id, metadata=metadata
            )
            found[repr(same)] += 1
        return found
