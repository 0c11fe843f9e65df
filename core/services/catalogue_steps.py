"""Doing the steps of a plan in Stripe, each request of them with an id of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from meterdeck.core.adapters.stripe_catalogue import StripeCatalogue
from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.catalogue import Account, PriceSpec
from meterdeck.core.model.catalogue_prices import REPLACED_MARK
from meterdeck.core.model.catalogue_steps import (
    ChangeMeter,
    ChangePrice,
    ChangeProduct,
    CreateMeter,
    CreatePrice,
    CreateProduct,
    EndMeter,
    EndPrice,
    EndProduct,
    FieldChange,
    ReplacePrice,
    Step,
)
from meterdeck.core.model.prices import KEY_MARK

Fields = Mapping[str, object]

_ARCHIVED: Fields = {"active": False}


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a step.

    Attributes:
        operation_id: The Idempotency-Keys of its requests begin with it.
        error: Why it was not done, or not to its end; None when it was.
    """

    step: Step
    operation_id: str
    error: MeterdeckError | None = None


class Applying:
    """One run: it knows what earlier steps created."""

    def __init__(
        self, stripe: StripeCatalogue, account: Account, operation_id: str
    ) -> None:
        self._stripe = stripe
        self._operation_id = operation_id
        self._number = 0
        self._meters = {each.event_name: each.id for each in account.meters}
        self._holders = {each.lookup_key: each.id for each in account.prices}

    @property
    def operation_id(self) -> str:
        """Id of the last step that was begun."""
        return f"{self._operation_id}.{self._number}"

    async def do(self, step: Step) -> None:
        """Do one step.

        Raises:
            MeterdeckError: As of `StripeCatalogue`'s writes.
        """
        self._number += 1
        match step:
            case CreateMeter() | ChangeMeter() | EndMeter():
                await self._meter(step)
            case CreateProduct(spec):
                await self._stripe.create_product(
                    replace(spec, active=True), self._id("create")
                )
            case ChangeProduct(name, changes):
                await self._product(name, _fields(changes))
            case EndProduct(name):
                await self._product(name, _ARCHIVED)
            case CreatePrice(spec, product_id, event_name):
                await self._create(spec, product_id, event_name)
            case ChangePrice(_, price, changes):
                await self._price(price.id, _fields(changes), "change")
            case ReplacePrice():
                await self._replace(step)
            case EndPrice(key, price, default_of):
                await self._end(price.id, key, default_of)

    async def _meter(self, step: CreateMeter | ChangeMeter | EndMeter) -> None:
        stripe = self._stripe
        match step:
            case CreateMeter(spec):
                made = await stripe.create_meter(spec, self._id("create"))
                self._meters[spec.event_name] = made.id
            case EndMeter(name):
                meter_id = self._meters[name]
                await stripe.set_meter_active(meter_id, False, self._id("deactivate"))
            case ChangeMeter(meter, changes):
                for each in changes:
                    if each.field == "active":
                        await stripe.set_meter_active(
                            meter.id, True, self._id("reactivate")
                        )
                    else:
                        name = str(each.after)
                        await stripe.rename_meter(meter.id, name, self._id("rename"))

    async def _replace(self, step: ReplacePrice) -> None:
        """Mark the old price, create the new one, and only then archive the old.

        Whoever stays on the old one keeps the plan that its lookup key told.
        """
        old, spec = step.old, step.spec
        marks = {KEY_MARK: spec.lookup_key}
        if old.active:
            marks[REPLACED_MARK] = spec.lookup_key
        if any(old.metadata.get(each) != key for each, key in marks.items()):
            await self._price(old.id, {"metadata": marks}, "mark")
        # What is not declared stays as it was.
        spec = replace(
            spec,
            nickname=spec.nickname or old.nickname,
            tax_behavior=spec.tax_behavior or old.tax_behavior,
        )
        kept = {k: v for k, v in old.metadata.items() if k != REPLACED_MARK}
        await self._create(
            spec, step.product_id, step.event_name, metadata=kept, transfer=True
        )
        if old.active:
            await self._end(old.id, spec.lookup_key, step.default_of)

    async def _create(
        self,
        spec: PriceSpec,
        product_id: str,
        event_name: str,
        *,
        metadata: dict[str, str] | None = None,
        transfer: bool = False,
    ) -> None:
        made = await self._stripe.create_price(
            spec,
            product_id,
            self._meters[event_name] if event_name else "",
            self._id("create"),
            metadata={**(metadata or {}), KEY_MARK: spec.lookup_key},
            transfer=transfer,
        )
        self._holders[spec.lookup_key] = made.id

    async def _end(self, price_id: str, key: str, default_of: str) -> None:
        if default_of:
            # Stripe archives no default price.
            await self._product(default_of, {"default_price": self._holders[key]})
        marks = {REPLACED_MARK: "", KEY_MARK: key}
        await self._price(price_id, {"active": False, "metadata": marks}, "archive")

    async def _product(self, product_id: str, fields: Fields) -> None:
        await self._stripe.change_product(product_id, fields, self._id("change"))

    async def _price(self, price_id: str, fields: Fields, verb: str) -> None:
        await self._stripe.change_price(price_id, fields, self._id(verb))

    def _id(self, verb: str) -> str:
        return f"{self.operation_id}.{verb}"


def _fields(changes: Iterable[FieldChange]) -> Fields:
    """Return changes as the fields of a request; the mark is metadata."""
    fields: dict[str, object] = {each.field: each.after for each in changes}
    if REPLACED_MARK in fields:
        fields["metadata"] = {REPLACED_MARK: fields.pop(REPLACED_MARK)}
    return fields
