"""The catalogue: what Stripe sells, who uses it, and creating and ending of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from meterdeck.core.adapters.stripe_catalogue import StripeCatalogue
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import CatalogueChanged, MeterdeckError, Refused
from meterdeck.core.model.catalogue import (
    Account,
    MeterSpec,
    PriceSpec,
    PriceUsers,
    ProductSpec,
)
from meterdeck.core.model.catalogue_plan import asked_about, plan
from meterdeck.core.model.catalogue_steps import CataloguePlan, ReplacePrice, Step
from meterdeck.core.model.context import Context, PlanRule
from meterdeck.core.model.prices import PriceInfo, ProductInfo
from meterdeck.core.model.subscriptions import Customer, MeterInfo
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.catalogue_steps import Applied, Applying
from meterdeck.core.services.matching import tenant_of
from meterdeck.core.services.together import together

_MOST_COUNTED = 1_000
_FIRST_NAMES = 5


class CatalogueService:
    """Meters, products and prices of a context's Stripe account.

    Reads raise StripeUnreachable and StripeRefused. Writes raise besides

    - ReadOnly: the context allows no changes;
    - UnknownOutcome: the answer was lost, and reading could not tell what became of
      it; repeated with the same operation id it is done at most once in 24 hours.
    """

    def __init__(self, context: Context, gateway: StripeGateway | None) -> None:
        self._context = context
        self._gateway = gateway

    async def account(self) -> Account:
        """Return all meters, products and prices, inactive ones too.

        Raises:
            Refused: The context has no Stripe.
        """
        stripe = self._stripe
        async with together() as group:
            meters = group.create_task(stripe.meters())
            products = group.create_task(stripe.products())
            active = group.create_task(stripe.prices(active=True))
            archived = group.create_task(stripe.prices(active=False))
        # One that changed between the two lists may be in both.
        listed = (*active.result(), *archived.result())
        prices = {price.id: price for price in listed}
        return Account(meters.result(), products.result(), tuple(prices.values()))

    async def users(
        self,
        price_ids: Iterable[str],
        *,
        at_most: int = _MOST_COUNTED,
        names: int = _FIRST_NAMES,
    ) -> Mapping[str, PriceUsers]:
        """Return who uses each of these prices, by its id.

        Subscriptions that have ended do not count. Of one price `at_most` are read,
        a hundred with each request: a thousand take about ten. Of `names` tenants
        the names are kept.
        """
        stripe, wanted = self._stripe, tuple(dict.fromkeys(price_ids))
        async with together() as group:
            found = {
                price: group.create_task(self._users(stripe, price, at_most, names))
                for price in wanted
            }
        return {name: task.result() for name, task in found.items()}

    async def plan(self) -> CataloguePlan:
        """Return how the account differs from what the context declares.

        Raises:
            Refused: The context has no Stripe.
        """
        return await self._planned(await self.account())

    async def apply(
        self, shown: CataloguePlan, operation_id: str
    ) -> AsyncIterator[Applied]:
        """Do the steps of a plan one by one, and yield each with what became of it.

        The first that fails is the last. What was done stays, and the next plan goes
        on from there, also in the middle of a replacement.

        Raises:
            ReadOnly: The context allows no changes.
            Refused: The plan has problems.
            CatalogueChanged: The account is not what the plan was made of. Of all of
                these nothing was changed.
        """
        stripe = self._writing
        if shown.problems:
            raise Refused("the plan has problems; nothing was changed")
        account = await self.account()
        now = await self._planned(account)
        if now != shown:
            raise CatalogueChanged(len(shown.steps), len(now.steps))
        applying = Applying(stripe, account, operation_id)
        for step in shown.steps:
            try:
                await applying.do(step)
            except MeterdeckError as error:
                yield Applied(step, applying.operation_id, error)
                return
            yield Applied(step, applying.operation_id)

    async def create_meter(self, spec: MeterSpec, operation_id: str) -> MeterInfo:
        """Create a meter; its event name is its own for good."""
        return await self._writing.create_meter(spec, operation_id)

    async def rename_meter(
        self, meter_id: str, display_name: str, operation_id: str
    ) -> MeterInfo:
        """Give a meter another display name."""
        return await self._writing.rename_meter(meter_id, display_name, operation_id)

    async def set_meter_active(
        self, meter_id: str, active: bool, operation_id: str
    ) -> MeterInfo:
        """Let a meter take events, or stop it: no event is counted then."""
        return await self._writing.set_meter_active(meter_id, active, operation_id)

    async def create_product(self, spec: ProductSpec, operation_id: str) -> ProductInfo:
        """Create a product under the specification's id."""
        return await self._writing.create_product(spec, operation_id)

    async def create_price(
        self, spec: PriceSpec, product_id: str, meter_id: str, operation_id: str
    ) -> PriceInfo:
        """Create a price; Stripe refuses a lookup key that another price has.

        Args:
            product_id: Stripe's id of the product; the specification's `product` is
                not looked at.
            meter_id: Stripe's id of the meter, empty for a price of no meter.
        """
        return await self._writing.create_price(
            spec, product_id, meter_id, operation_id
        )

    async def archive_price(self, price_id: str, operation_id: str) -> PriceInfo:
        """Keep new subscriptions from a price; those that have it keep it."""
        archived = {"active": False}
        return await self._writing.change_price(price_id, archived, operation_id)

    async def activate_price(self, price_id: str, operation_id: str) -> PriceInfo:
        """Let new subscriptions have an archived price again."""
        return await self._writing.change_price(
            price_id, {"active": True}, operation_id
        )

    @property
    def _stripe(self) -> StripeCatalogue:
        if self._gateway is None:
            raise Refused(f"context {self._context.name} has no Stripe to ask")
        return self._gateway.catalogue

    @property
    def _writing(self) -> StripeCatalogue:
        self._context.check_writable()
        return self._stripe

    async def _planned(self, account: Account) -> CataloguePlan:
        catalogue = self._context.catalogue
        asked = asked_about(plan(catalogue, account))
        found = plan(catalogue, account, await self.users(asked))
        others = _other_plans(found.steps, self._context.plan_rules)
        return replace(found, notes=(*found.notes, *others))

    async def _users(
        self, stripe: StripeCatalogue, price_id: str, at_most: int, most_names: int
    ) -> PriceUsers:
        count = 0
        names: dict[TenantId, None] = {}
        async for customer in stripe.subscribers(price_id):
            if count == at_most:
                return PriceUsers(price_id, count, True, tuple(names))
            count += 1
            if len(names) < most_names:
                names[self._tenant(customer)] = None
        return PriceUsers(price_id, count, False, tuple(names))

    def _tenant(self, customer: Customer) -> TenantId:
        return tenant_of(customer, None, self._context).id


def _other_plans(steps: Iterable[Step], rules: Sequence[PlanRule]) -> Iterator[str]:
    """Say which prices stand for another plan once they are replaced.

    An old price is known by the key that it had, also later; its id and its product
    are not those of the new one.
    """
    for step in steps:
        if not isinstance(step, ReplacePrice):
            continue
        key, old = step.spec.lookup_key, step.old
        before = _plan_of(rules, old.plan_key, old.id, old.product_id)
        after = _plan_of(rules, key, "", step.product_id)
        if before not in ("", after):
            yield (
                f"price {key} stands for plan {before} by its id or product, which the"
                f" new one does not have; add its key to [plans.{before}] lookup_keys"
            )


def _plan_of(
    rules: Sequence[PlanRule], lookup_key: str, price_id: str, product_id: str
) -> str:
    fitting = (each for each in rules if each.fits(lookup_key, price_id, product_id))
    return next((each.plan for each in fitting), "")
