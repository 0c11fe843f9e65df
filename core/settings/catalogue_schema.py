"""The schema of the catalogue: [meters.*], [products.*] and [prices.*]."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from meterdeck.core.model.catalogue import DEFAULT_CUSTOMER_KEY, DEFAULT_VALUE_KEY
from meterdeck.core.model.prices import Formula, Interval, Round, TiersMode

_FORMS = "give one of unit, package and tiers"


def _no_number(value: object) -> object:
    """Refuse a bare number where money is due: nobody can tell cents from dollars."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(  # noqa: TRY004  # pydantic reads no other
            'must be an amount with its currency, such as "0.01 USD": a bare number'
            " could be cents"
        )
    return value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


MoneySetting = Annotated[str, BeforeValidator(_no_number)]


class MeterSettings(_Table):
    """[meters.NAME]"""

    display_name: Annotated[str, Field(max_length=250)] = ""
    event_name: Annotated[str, Field(max_length=100)] = ""
    formula: Formula = Formula.SUM
    customer_key: Annotated[str, Field(min_length=1, max_length=100)] = (
        DEFAULT_CUSTOMER_KEY
    )
    value_key: Annotated[str, Field(min_length=1, max_length=100)] = DEFAULT_VALUE_KEY
    event_time_window: Literal["", "hour", "day"] = ""
    active: bool = True
    replaces: str = ""


class ProductSettings(_Table):
    """[products.NAME]"""

    name: Annotated[str, Field(max_length=250)] = ""
    id: str = ""
    description: str = ""
    unit_label: Annotated[str, Field(max_length=12)] = ""
    active: bool = True


class PackageSettings(_Table):
    """[prices.NAME] package"""

    amount: MoneySetting
    size: Annotated[int, Field(ge=1)]
    round: Round = Round.UP


class TierSettings(_Table):
    """[prices.NAME] tiers: one of them."""

    up_to: Annotated[int, Field(ge=1)] | Literal["inf"]
    unit: MoneySetting | None = None
    flat: MoneySetting | None = None

    @model_validator(mode="after")
    def _costs_something(self) -> Self:
        if self.unit is None and self.flat is None:
            raise ValueError('a tier needs unit or flat, such as "0.01 USD"')
        return self


class PriceSettings(_Table):
    """[prices.NAME]"""

    product: str
    meter: str = ""
    interval: Interval = Interval.MONTH
    interval_count: Annotated[int, Field(ge=1, le=1_095)] = 1
    unit: MoneySetting | None = None
    package: PackageSettings | None = None
    mode: TiersMode | None = None
    tiers: tuple[TierSettings, ...] = ()
    lookup_key: Annotated[str, Field(max_length=200)] = ""
    nickname: str = ""
    tax_behavior: Literal["", "exclusive", "inclusive", "unspecified"] = ""
    active: bool = True

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [self.unit is not None, self.package is not None, bool(self.tiers)]
        if sum(given) != 1:
            raise ValueError(_FORMS)
        if bool(self.tiers) != (self.mode is not None):
            raise ValueError('tiers need mode = "graduated" or "volume", and only they')
        return self

    @model_validator(mode="after")
    def _tiers_follow(self) -> Self:
        if not self.tiers:
            return self
        *bounded, last = [tier.up_to for tier in self.tiers]
        if last != "inf" or "inf" in bounded:
            raise ValueError('the last tier, and only it, is up_to = "inf"')
        steps = [bound for bound in bounded if bound != "inf"]
        if steps != sorted(set(steps)):
            raise ValueError("each tier must go further up_to than the one before it")
        return self

    @model_validator(mode="after")
    def _usage_is_billed_again(self) -> Self:
        if self.meter and self.interval is Interval.ONE_TIME:
            raise ValueError(
                "usage is billed by the interval: a meter cannot be of a one_time price"
            )
        return self
