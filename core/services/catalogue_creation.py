"""Creating a price together with the product that it is for."""

from __future__ import annotations

from meterdeck.core.errors import UnknownOutcome
from meterdeck.core.model.catalogue import PriceSpec, ProductSpec
from meterdeck.core.model.prices import PriceInfo
from meterdeck.core.services.catalogue import CatalogueService


async def create_price_and_product(
    service: CatalogueService,
    spec: PriceSpec,
    product: ProductSpec | str,
    meter_id: str,
    operation_id: str,
) -> PriceInfo:
    """Create a price, and before it its product where that is not an id.

    Repeated with the same operation id neither is created twice; if only the product
    was, the price is created then.

    Raises:
        ReadOnly, StripeRefused, StripeUnreachable, UnknownOutcome: As of the service.
    """
    if isinstance(product, ProductSpec):
        try:
            made = await service.create_product(product, f"{operation_id}.product")
        except UnknownOutcome as lost:
            raise lost.under(operation_id) from lost
        product = made.id
    return await service.create_price(spec, product, meter_id, operation_id)
