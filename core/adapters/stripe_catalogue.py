"""Meters, products and prices of the account: read whole, and written one by one.

Every write carries an Idempotency-Key made of its operation's id. Where its answer is
lost it is settled by reading: an event name, a product's id and a lookup key belong to
one object each, so what was created is found by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import quote

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.catalogue_fields import (
    meter_fields,
    price_fields,
    product_fields,
)
from meterdeck.core.adapters.stripe_errors import FaultKind
from meterdeck.core.adapters.stripe_prices import price
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Json, RequestFailed
from meterdeck.core.errors import MeterdeckError, NotFound, UnknownOutcome
from meterdeck.core.model.catalogue import MeterSpec, PriceSpec, ProductSpec
from meterdeck.core.model.names import check_id
from meterdeck.core.model.price_terms import same_terms
from meterdeck.core.model.prices import PriceInfo, ProductInfo
from meterdeck.core.model.subscriptions import Customer, MeterInfo

_METERS = "/v1/billing/meters"
_PRODUCTS = "/v1/products"
_PRICES = "/v1/prices"
_TIERS: Json = {"expand": ["tiers"]}
_NOBODY_KNOWS = frozenset({FaultKind.LOST, FaultKind.BROKEN})

Find = Callable[[], Awaitable[Json | None]]
Changes = Mapping[str, object]


class StripeCatalogue:
    """What is sold in one Stripe account.

    Every read raises as the gateway's. Every write is done at most once and raises

    - StripeRefused: Stripe said no, and nothing was changed;
    - StripeUnreachable: it was surely not done;
    - UnknownOutcome: the answer was lost, and reading could not tell what became of
      it. Repeated with the same operation id it is done at most once within 24 hours.
    """

    def __init__(self, requests: StripeRequests) -> None:
        self._requests = requests

    async def meters(self) -> tuple[MeterInfo, ...]:
        """Return every meter, deactivated ones too."""
        listed = self._requests.listed(_METERS, {})
        return tuple([read.meter(raw) async for raw in listed])

    async def products(self) -> tuple[ProductInfo, ...]:
        """Return every product, archived ones too."""
        listed = self._requests.listed(_PRODUCTS, {})
        return tuple([read.product(raw) async for raw in listed])

    async def prices(self, *, active: bool) -> tuple[PriceInfo, ...]:
        """Return every price that is active, or every one that is not, with tiers."""
        # Without `active` Stripe's reference promises the active ones only.
        expand = ["data.tiers", "data.currency_options"]
        params = {"active": active, "expand": expand}
        listed = self._requests.listed(_PRICES, params)
        return tuple([price(raw) async for raw in listed])

    async def subscribers(self, price_id: str) -> AsyncIterator[Customer]:
        """Yield the customer of each subscription to a price that has not ended."""
        params = {"price": price_id, "expand": ["data.customer"]}
        async for raw in self._requests.listed("/v1/subscriptions", params):
            if not read.subscription(raw).ended:
                yield read.customer(read.inner(raw, "customer"))

    async def create_meter(self, spec: MeterSpec, operation_id: str) -> MeterInfo:
        """Create a meter."""

        async def find() -> Json | None:
            async for raw in self._requests.listed(_METERS, {}):
                if read.text(raw, "event_name") == spec.event_name:
                    return raw
            return None

        raw = await self._write(_METERS, meter_fields(spec), operation_id, find)
        return read.meter(raw)

    async def rename_meter(
        self, meter_id: str, display_name: str, operation_id: str
    ) -> MeterInfo:
        """Give a meter another display name, all of it that can be changed."""
        changes = {"display_name": display_name}
        path = _path(_METERS, meter_id)
        return read.meter(await self._change(path, changes, operation_id))

    async def set_meter_active(
        self, meter_id: str, active: bool, operation_id: str
    ) -> MeterInfo:
        """Let a meter take events, or stop it."""
        path = _path(_METERS, meter_id)

        async def find() -> Json | None:
            raw = await self._requests.read(path)
            return raw if read.meter(raw).active is active else None

        verb = "reactivate" if active else "deactivate"
        return read.meter(await self._write(f"{path}/{verb}", {}, operation_id, find))

    async def create_product(self, spec: ProductSpec, operation_id: str) -> ProductInfo:
        """Create a product under the id that the specification chose."""

        async def find() -> Json | None:
            try:
                return await self._requests.read(_path(_PRODUCTS, spec.id))
            except NotFound:
                return None

        raw = await self._write(_PRODUCTS, product_fields(spec), operation_id, find)
        return read.product(raw)

    async def change_product(
        self, product_id: str, changes: Changes, operation_id: str
    ) -> ProductInfo:
        """Change fields of a product; an empty text clears one that may be empty."""
        path = _path(_PRODUCTS, product_id)
        return read.product(await self._change(path, changes, operation_id))

    async def create_price(
        self,
        spec: PriceSpec,
        product_id: str,
        meter_id: str,
        operation_id: str,
        *,
        metadata: Mapping[str, str] | None = None,
        transfer: bool = False,
    ) -> PriceInfo:
        """Create a price.

        Args:
            meter_id: Empty for a price of no meter.
            transfer: Take the lookup key from the price that has it.
        """
        params = price_fields(spec, product_id, meter_id)
        if metadata:
            params["metadata"] = dict(metadata)
        if transfer:
            params["transfer_lookup_key"] = True

        async def find() -> Json | None:
            for active in (True, False):
                wanted = {"lookup_keys": [spec.lookup_key], "active": active}
                listing = {**wanted, "expand": ["data.tiers"]}
                async for raw in self._requests.listed(_PRICES, listing):
                    found = price(raw)
                    if same_terms(spec, found, product_id, meter_id):
                        return raw
            return None

        raw = await self._write(_PRICES, {**params, **_TIERS}, operation_id, find)
        return price(raw)

    async def change_price(
        self, price_id: str, changes: Changes, operation_id: str
    ) -> PriceInfo:
        """Change fields of a price that can change: no amounts."""
        path = _path(_PRICES, price_id)
        return price(await self._change(path, changes, operation_id, _TIERS))

    async def _change(
        self, path: str, changes: Changes, operation_id: str, more: Json | None = None
    ) -> Json:
        async def find() -> Json | None:
            raw = await self._requests.read(path, more)
            return raw if _has(raw, changes) else None

        return await self._write(path, {**changes, **(more or {})}, operation_id, find)

    async def _write(
        self, path: str, params: Json, operation_id: str, find: Find
    ) -> Json:
        """Do a write; where its answer is lost, return what `find` finds."""
        key = _key(operation_id, path)
        try:
            answer = await self._requests.write(path, params, key)
        except RequestFailed as failure:
            if failure.fault.kind not in _NOBODY_KNOWS:
                raise failure.fault.as_error() from failure
            lost = UnknownOutcome(f"POST {path}", operation_id)
            try:
                found = await find()
            except MeterdeckError as unread:
                raise lost from unread
            if found is None:
                raise lost from failure
            return found
        return answer.body


def _key(operation_id: str, path: str) -> str:
    """Return a key that is the same for the same operation on the same thing."""
    digest = hashlib.sha256(path.encode()).hexdigest()[:8]
    return f"{check_id('operation id', operation_id)}.{digest}"


def _path(folder: str, object_id: str) -> str:
    return f"{folder}/{quote(object_id, safe='')}"


def _has(raw: Json, changes: Changes) -> bool:
    """Tell whether an object is as the changes make it."""
    for key, value in changes.items():
        found = raw.get(key)
        if isinstance(value, Mapping):
            if not _has(dict(read.inner(raw, key)), value):
                return False
        elif value != ("" if found is None else found):
            return False
    return True
