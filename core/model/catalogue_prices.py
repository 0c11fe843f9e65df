"""What is to be done about prices: created, changed, replaced, ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meterdeck.core.model.catalogue import Account, Catalogue, PriceSpec
from meterdeck.core.model.catalogue_steps import (
    ChangePrice,
    CreatePrice,
    EndPrice,
    FieldChange,
    Problem,
    ReplacePrice,
    Step,
)
from meterdeck.core.model.price_terms import same_terms
from meterdeck.core.model.prices import KEY_MARK, Interval, PriceInfo
from meterdeck.core.model.subscriptions import MeterInfo

REPLACED_MARK = "meterdeck_replaced"
"""Metadata of a price that is being replaced: its lookup key."""

Found = Iterator[Step | Problem]


@dataclass(frozen=True, slots=True)
class PriceDifferences:
    """Compares the declared prices with the account's."""

    catalogue: Catalogue
    account: Account
    meters: Mapping[str, MeterInfo]
    """The account's, by event name."""

    def found(self) -> Found:
        """Yield what is to be done, in order, and what cannot be."""
        holders = {each.lookup_key: each for each in self.account.prices}
        for spec in self.catalogue.prices.values():
            holder = holders.get(spec.lookup_key)
            if holder is None:
                yield from self._created(spec)
            elif self._same(spec, holder):
                yield from self._changed(spec, holder)
            else:
                yield from self._replaced(spec, holder)
            if holder is not None:
                yield from self._left_over(spec, holder)

    def _created(self, spec: PriceSpec) -> Found:
        yield from self._unfit_meter(spec)
        yield CreatePrice(spec, self._product_id(spec), self._event_name(spec))

    def _changed(self, spec: PriceSpec, price: PriceInfo) -> Found:
        changes = []
        if spec.nickname not in ("", price.nickname):
            changes.append(FieldChange("nickname", price.nickname, spec.nickname))
        if spec.tax_behavior != price.tax_behavior and spec.tax_behavior:
            changes.append(FieldChange("tax_behavior", "", spec.tax_behavior))
        if spec.active != price.active:
            changes.append(FieldChange("active", price.active, spec.active))
            if self._default_of(price) and not spec.active:
                yield self._is_default(spec, price)
        if price.metadata.get(REPLACED_MARK) == spec.lookup_key:
            changes.append(FieldChange(REPLACED_MARK, spec.lookup_key, ""))
        if changes:
            yield ChangePrice(spec.lookup_key, price, tuple(changes))

    def _replaced(self, spec: PriceSpec, old: PriceInfo) -> Found:
        yield from self._unfit_meter(spec)
        product_id, default_of = self._product_id(spec), self._default_of(old)
        if default_of and (default_of != product_id or not spec.active):
            yield self._is_default(spec, old)
        yield ReplacePrice(
            spec,
            product_id,
            self._event_name(spec),
            old,
            tuple(self._differences(spec, old)),
            default_of,
        )

    def _left_over(self, spec: PriceSpec, holder: PriceInfo) -> Found:
        """Yield the ends of prices that a run which was cut short left over."""
        key = spec.lookup_key
        for price in self.account.prices:
            marks = price.metadata
            replaced = marks.get(REPLACED_MARK) == key
            twice = marks.get(KEY_MARK) == key and self._same(spec, price)
            if not price.active or price is holder or not (replaced or twice):
                continue
            default_of = self._default_of(price)
            if default_of and (default_of != self._product_id(spec) or not spec.active):
                yield self._is_default(spec, price)
            yield EndPrice(key, price, default_of)

    def _differences(self, spec: PriceSpec, old: PriceInfo) -> Iterator[FieldChange]:
        if spec.form != old.form or spec.currency != old.currency:
            yield FieldChange("amount", old.form, spec.form)
        if spec.interval is not old.interval:
            yield FieldChange("interval", old.interval, spec.interval)
        elif (
            spec.interval is not Interval.ONE_TIME
            and spec.interval_count != old.interval_count
        ):
            yield FieldChange("interval_count", old.interval_count, spec.interval_count)
        event_name, before = self._event_name(spec), self._event_of(old)
        if event_name != before:
            yield FieldChange("meter", before, event_name)
        if self._product_id(spec) != old.product_id:
            yield FieldChange("product", old.product_id, self._product_id(spec))
        if spec.tax_behavior not in ("", old.tax_behavior) and old.tax_behavior:
            yield FieldChange("tax_behavior", old.tax_behavior, spec.tax_behavior)

    def _same(self, spec: PriceSpec, price: PriceInfo) -> bool:
        meter = self.meters.get(self._event_name(spec))
        if spec.meter and meter is None:
            return False
        if price.tax_behavior and spec.tax_behavior not in ("", price.tax_behavior):
            return False
        meter_id = meter.id if meter and spec.meter else ""
        return same_terms(spec, price, self._product_id(spec), meter_id)

    def _unfit_meter(self, spec: PriceSpec) -> Found:
        if not spec.meter:
            return
        declared = self.catalogue.meters[spec.meter]
        meter = self.meters.get(declared.event_name)
        if meter is not None and not meter.active and not declared.active:
            yield Problem(
                f"prices.{spec.name}",
                f"its meter {meter.event_name} is inactive, and Stripe makes prices of"
                f" active meters only; say active = true in [meters.{spec.meter}], or"
                " leave the price out",
            )

    def _is_default(self, spec: PriceSpec, price: PriceInfo) -> Problem:
        return Problem(
            f"prices.{spec.name}",
            f"{price.id} is the default price of product {price.product_id}, which"
            " Stripe does not archive; give the product another default price first",
        )

    def _default_of(self, price: PriceInfo) -> str:
        defaults = {each.default_price: each.id for each in self.account.products}
        return defaults.get(price.id, "")

    def _product_id(self, spec: PriceSpec) -> str:
        return self.catalogue.products[spec.product].id

    def _event_name(self, spec: PriceSpec) -> str:
        return self.catalogue.meters[spec.meter].event_name if spec.meter else ""

    def _event_of(self, price: PriceInfo) -> str:
        names = {meter.id: meter.event_name for meter in self.account.meters}
        return names.get(price.meter_id, price.meter_id)
