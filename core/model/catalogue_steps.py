"""The steps that bring an account to what is declared, and the plan they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, TypeAlias

from meterdeck.core.model.catalogue import (
    Account,
    MeterSpec,
    PriceSpec,
    PriceUsers,
    ProductSpec,
)
from meterdeck.core.model.prices import PriceForm, PriceInfo
from meterdeck.core.model.subscriptions import MeterInfo


class Doing(StrEnum):
    """What a step does."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    """Create another and archive the old one."""
    ARCHIVE = "archive"
    """Keep it and sell it no more; of a meter: take no more events."""


class Thing(StrEnum):
    """What a step is about."""

    METER = "meter"
    PRODUCT = "product"
    PRICE = "price"


Value: TypeAlias = str | int | bool | PriceForm | None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of an object, as it is and as it is to be.

    Attributes:
        field: As the configuration calls it; `amount` for all that a price asks for.
    """

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class CreateMeter:
    """Create a meter; one that is declared inactive is deactivated later."""

    doing: ClassVar = Doing.CREATE
    thing: ClassVar = Thing.METER
    spec: MeterSpec

    @property
    def name(self) -> str:
        """The event name."""
        return self.spec.event_name


@dataclass(frozen=True, slots=True)
class ChangeMeter:
    """Rename or reactivate a meter."""

    doing: ClassVar = Doing.CHANGE
    thing: ClassVar = Thing.METER
    meter: MeterInfo
    changes: tuple[FieldChange, ...]

    @property
    def name(self) -> str:
        """The event name."""
        return self.meter.event_name


@dataclass(frozen=True, slots=True)
class EndMeter:
    """Deactivate a meter: Stripe refuses its events from then on.

    Attributes:
        name: The event name.
        meter_id: Empty where it is only created by this plan.
        replaced_by: Event name of the meter in its place, empty where none is.
        price_ids: Its prices; what subscriptions to these use is not billed any more.
    """

    doing: ClassVar = Doing.ARCHIVE
    thing: ClassVar = Thing.METER
    name: str
    meter_id: str = ""
    replaced_by: str = ""
    price_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateProduct:
    """Create a product; one that is declared inactive is archived later."""

    doing: ClassVar = Doing.CREATE
    thing: ClassVar = Thing.PRODUCT
    spec: ProductSpec

    @property
    def name(self) -> str:
        """The product's id."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class ChangeProduct:
    """Change fields of a product."""

    doing: ClassVar = Doing.CHANGE
    thing: ClassVar = Thing.PRODUCT
    name: str
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class EndProduct:
    """Archive a product."""

    doing: ClassVar = Doing.ARCHIVE
    thing: ClassVar = Thing.PRODUCT
    name: str


@dataclass(frozen=True, slots=True)
class CreatePrice:
    """Create a price whose lookup key nobody has.

    Attributes:
        product_id: Stripe's id of its product.
        event_name: Of its meter; empty where it has none.
    """

    doing: ClassVar = Doing.CREATE
    thing: ClassVar = Thing.PRICE
    spec: PriceSpec
    product_id: str
    event_name: str

    @property
    def name(self) -> str:
        """The lookup key."""
        return self.spec.lookup_key


@dataclass(frozen=True, slots=True)
class ChangePrice:
    """Change what can be changed of a price."""

    doing: ClassVar = Doing.CHANGE
    thing: ClassVar = Thing.PRICE
    name: str
    price: PriceInfo
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class ReplacePrice:
    """Create another price, move the lookup key to it, and archive the old one.

    The old one is marked first, so that a run that is cut short can be ended later.

    Attributes:
        changes: What differs, and Stripe never changes.
        default_of: The product whose default price the old one is; it becomes the new
            one before the old one is archived. Empty where it is none.
    """

    doing: ClassVar = Doing.REPLACE
    thing: ClassVar = Thing.PRICE
    spec: PriceSpec
    product_id: str
    event_name: str
    old: PriceInfo
    changes: tuple[FieldChange, ...]
    default_of: str = ""

    @property
    def name(self) -> str:
        """The lookup key."""
        return self.spec.lookup_key


@dataclass(frozen=True, slots=True)
class EndPrice:
    """Archive a price that an earlier run left over when it was cut short.

    Attributes:
        name: The lookup key that another price has by now.
        default_of: As of `ReplacePrice`.
    """

    doing: ClassVar = Doing.ARCHIVE
    thing: ClassVar = Thing.PRICE
    name: str
    price: PriceInfo
    default_of: str = ""


Step: TypeAlias = (
    CreateMeter
    | ChangeMeter
    | EndMeter
    | CreateProduct
    | ChangeProduct
    | EndProduct
    | CreatePrice
    | ChangePrice
    | ReplacePrice
    | EndPrice
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What cannot be done.

    Attributes:
        where: The table of the configuration, such as `meters.api`.
        why: A sentence that says what would be right.
    """

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class CataloguePlan:
    """What brings the account to what is declared.

    Two plans are equal where they do the same to the same objects, whoever uses these.

    Attributes:
        steps: In the order in which they are done.
        problems: Why it cannot be done; then none of it is.
        notes: Sentences about what waits.
        left_alone: What Stripe sells and nobody declared.
        users: Who is billed by the prices that steps end, by their ids.
    """

    steps: tuple[Step, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    left_alone: Account = field(default=Account(), compare=False)
    users: Mapping[str, PriceUsers] = field(default_factory=dict, compare=False)

    @property
    def agrees(self) -> bool:
        """Whether the account is as declared."""
        return not (self.steps or self.problems)

    def users_of(self, step: Step) -> PriceUsers | None:
        """Return who is billed by what a step ends; None where it ends no price."""
        match step:
            case ReplacePrice(old=price) | EndPrice(price=price):
                return all_users(self.users, (price.id,))
            case EndMeter(price_ids=price_ids):
                return all_users(self.users, price_ids)
            case _:
                return None


def all_users(users: Mapping[str, PriceUsers], price_ids: Iterable[str]) -> PriceUsers:
    """Return who is billed by any of these prices, as far as it was asked."""
    found = [users[name] for name in price_ids if name in users]
    tenants = dict.fromkeys(tenant for each in found for tenant in each.tenants)
    return PriceUsers(
        "",
        sum(each.subscriptions for each in found),
        any(each.more for each in found),
        tuple(tenants),
    )
