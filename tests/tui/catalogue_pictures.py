"""A catalogue that looks like one, and a service that keeps what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from tests.tui.pictures import API, NOW, RESOURCES, believable, logged

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.catalogue import (
    Account,
    MeterSpec,
    PriceSpec,
    PriceUsers,
    ProductSpec,
)
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    PriceInfo,
    ProductInfo,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.subscriptions import MeterInfo

PLATFORM = ProductInfo("prod_platform", "Platform")
TIERS = (
    Tier(1_000, Decimal(1)),
    Tier(10_000, Decimal("0.5"), Decimal(500)),
    Tier(None, Decimal("0.1")),
)
METERS = (
    *(
        MeterInfo(f"mtr_{r.name}", r.meter, r.label, "sum", active=True)
        for r in RESOURCES
    ),
    MeterInfo(
        "mtr_old", "exports", "Exports", "count", active=False, deactivated_at=NOW
    ),
)
CALLS = METERS[0]


def price(
    name: str, form: PriceForm | None, meter: str = "", *, active: bool = True
) -> PriceInfo:
    """Return a price whose id and lookup key say what it is."""
    return PriceInfo(
        f"price_{name}", PLATFORM.id, "usd", form, active,
        lookup_key=name, meter_id=meter,
    )  # fmt: skip


PRICES = (
    price("calls_each", PerUnit(Decimal("0.1")), CALLS.id),
    price("calls_graduated", Tiered(TiersMode.GRADUATED, TIERS), CALLS.id),
    price("calls_volume", Tiered(TiersMode.VOLUME, TIERS), CALLS.id),
    price("storage_packs", Package(Decimal(500), 10), "mtr_storage_gb"),
    price("exports_each", PerUnit(Decimal(10)), "mtr_old"),
    price("custom", None),
    price("pro_monthly", PerUnit(Decimal(9_900))),
    price("calls_2019", PerUnit(Decimal(2)), CALLS.id, active=False),
)
ACCOUNT = Account(METERS, (PLATFORM,), PRICES)
TENANTS = tuple(tenant.id for tenant in believable())


@dataclass
class ScriptedCatalogue:
    """Answers what the catalogue's screen asks, and keeps what it was asked.

    Attributes:
        error: Raised by the next call, once.
        first: How many users of a price the first look finds.
        asked: Prices whose users were asked for, and at most how many.
        done: Verb, name and operation id of each change.
    """

    sold: Account = ACCOUNT
    error: MeterdeckError | None = None
    reads: int = 0
    first: int = 100
    asked: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    done: list[tuple[str, str, str]] = field(default_factory=list)
    prices: list[tuple[PriceSpec, str, str]] = field(default_factory=list)
    meters: list[MeterSpec] = field(default_factory=list)

    def _note(self, verb: str, name: str, operation_id: str) -> None:
        self.done.append((verb, name, operation_id))
        self._raise()

    def _raise(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error

    async def account(self) -> Account:
        self.reads += 1
        self._raise()
        return self.sold

    async def users(
        self, price_ids: Iterable[str], *, at_most: int, names: int
    ) -> Mapping[str, PriceUsers]:
        some = {"price_calls_graduated": TENANTS[:9], "price_pro_monthly": TENANTS}
        found = {name: some.get(name, ()) for name in price_ids}
        self.asked.append((tuple(found), at_most))
        most = self.first if at_most < 1_000 else at_most
        return {
            name: PriceUsers(name, min(len(who), most), len(who) > most, who[:most])
            for name, who in found.items()
        }

    async def pages(self, size: int) -> AsyncIterator[tuple[LoggedEvent, ...]]:
        yield (logged(believable()[1], API, "7", NOW - timedelta(minutes=5)),)

    async def create_meter(self, spec: MeterSpec, operation_id: str) -> MeterInfo:
        self.meters.append(spec)
        self._note("create meter", spec.event_name, operation_id)
        return replace(CALLS, id="mtr_new", event_name=spec.event_name)

    async def create_product(self, spec: ProductSpec, operation_id: str) -> ProductInfo:
        self._note("create product", spec.id, operation_id)
        return ProductInfo(spec.id, spec.title)

    async def create_price(
        self, spec: PriceSpec, product_id: str, meter_id: str, operation_id: str
    ) -> PriceInfo:
        self.prices.append((spec, product_id, meter_id))
        self._note("create price", spec.lookup_key, operation_id)
        return replace(PRICES[0], id="price_new")

    async def set_meter_active(
        self, meter_id: str, active: bool, operation_id: str
    ) -> MeterInfo:
        verb = "reactivate" if active else "deactivate"
        self._note(verb, meter_id, operation_id)
        return replace(CALLS, active=active)

    async def archive_price(self, price_id: str, operation_id: str) -> PriceInfo:
        self._note("archive", price_id, operation_id)
        return replace(PRICES[0], active=False)

    async def activate_price(self, price_id: str, operation_id: str) -> PriceInfo:
        self._note("activate", price_id, operation_id)
        return PRICES[0]


def hostile(*texts: str) -> Account:
    """Return a catalogue whose every text from outside is one of these."""
    meters = [
        MeterInfo(
            f"m{text}", text, text, text, active=True, customer_key=text,
            value_key=text, event_time_window=text,
        )
        for text in texts
    ]  # fmt: skip
    products = [ProductInfo(f"p{text}", text) for text in texts]
    sold = [
        PriceInfo(
            f"{meter.id}{n}", product.id, "usd", form, lookup_key=product.name,
            meter_id=meter.id,
        )
        for meter, product in zip(meters, products, strict=True)
        for n, form in enumerate((None, Tiered(TiersMode.VOLUME, TIERS)))
    ]  # fmt: skip
    return Account(tuple(meters), tuple(products), tuple(sold))
