"""What the catalogue's dialogs return: one change each, safe to repeat by its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meterdeck.core.model.catalogue import MeterSpec, PriceSpec, ProductSpec
from meterdeck.core.model.catalogue_sight import price_name
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.prices import PriceInfo
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.text import visible
from meterdeck.tui.requests import Sold, new_operation_id

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine


@dataclass(frozen=True, slots=True)
class CreateMeter:
    """Create a meter."""

    spec: MeterSpec
    operation_id: str = field(default_factory=new_operation_id)

    @property
    def target(self) -> Sold:
        return Sold(f"meter {visible(self.spec.display_name, 40)}")

    async def perform(self, engine: Engine, actor: Actor) -> str:
        made = await engine.catalogue.create_meter(self.spec, self.operation_id)
        return f"created: {visible(made.id, 60)} takes {visible(made.event_name, 60)}"


@dataclass(frozen=True, slots=True)
class CreatePrice:
    """Create a price, and before it its product where that is a new one.

    Attributes:
        product_id: Stripe's id of the product that exists; empty for `product`.
        meter_id: Stripe's id of the meter; empty for none.
    """

    spec: PriceSpec
    product_id: str = ""
    product: ProductSpec | None = None
    meter_id: str = ""
    operation_id: str = field(default_factory=new_operation_id)

    @property
    def target(self) -> Sold:
        return Sold(f"price {visible(self.spec.lookup_key, 40)}")

    async def perform(self, engine: Engine, actor: Actor) -> str:
        # Rare, and the console's start should not pay for it.
        from meterdeck.core.services.catalogue_creation import (  # noqa: PLC0415
            create_price_and_product,
        )

        price = await create_price_and_product(
            engine.catalogue,
            self.spec,
            self.product or self.product_id,
            self.meter_id,
            self.operation_id,
        )
        return f"created: {visible(price.id, 60)}"


@dataclass(frozen=True, slots=True)
class SwitchMeter:
    """Deactivate a meter, or reactivate it."""

    meter: MeterInfo
    active: bool
    operation_id: str = field(default_factory=new_operation_id)

    @property
    def target(self) -> Sold:
        return Sold(f"meter {visible(self.meter.display_name, 40)}")

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.catalogue.set_meter_active(
            self.meter.id, self.active, self.operation_id
        )
        return "takes events again" if done.active else "deactivated; takes no events"


@dataclass(frozen=True, slots=True)
class SwitchPrice:
    """Archive a price, or let it be sold again."""

    price: PriceInfo
    active: bool
    operation_id: str = field(default_factory=new_operation_id)

    @property
    def target(self) -> Sold:
        return Sold(f"price {visible(price_name(self.price), 40)}")

    async def perform(self, engine: Engine, actor: Actor) -> str:
        service = engine.catalogue
        switch = service.activate_price if self.active else service.archive_price
        done = await switch(self.price.id, self.operation_id)
        return (
            "can be sold again"
            if done.active
            else "archived; those who have it keep it"
        )


CatalogueRequest = CreateMeter | CreatePrice | SwitchMeter | SwitchPrice
