"""The schema of changes by request."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from meterdeck.core.model.request_rules import Rank

Person = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _as_text(value: object) -> object:
    """Keep a quantity's digits: 50.5 and "50.5" are the same."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return value


def _as_decimal(value: object) -> object:
    return str(value) if isinstance(value, int | float) else value


Quantity = Annotated[str, BeforeValidator(_as_text)]
Amount = Annotated[Decimal, BeforeValidator(_as_decimal), Field(ge=0)]


class RequestSettings(BaseModel):
    """[contexts.NAME.requests]"""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    people: dict[Person, Rank] = {}
    approve_above_percent: (
        Annotated[int, Field(ge=0, le=1_000_000)] | Literal["never"]
    ) = 50
    approve_above_units: dict[str, Quantity] = {}
    approve_above_money: Amount | Literal["never"] = "never"
    approve_unlimited: bool = True
    approve_bulk_above: Annotated[int, Field(ge=0, le=10_000)] = 10
    approval_hours: Annotated[int, Field(ge=1, le=720)] = 24
    wait_seconds: Annotated[float, Field(ge=0, le=600)] = 10.0
