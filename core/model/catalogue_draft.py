"""What a person writes of a meter or a price, as texts; and the tables it makes.

The tables are those of the configuration, which checks them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from meterdeck.core.errors import BadInput
from meterdeck.core.model.catalogue import (
    DEFAULT_CUSTOMER_KEY,
    DEFAULT_VALUE_KEY,
    Catalogue,
)
from meterdeck.core.model.money import parse_money
from meterdeck.core.model.prices import Formula, Interval, ProductInfo, Round, TiersMode
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.table_names import table_name
from meterdeck.core.model.text import visible

Table = dict[str, object]
Tables = dict[str, dict[str, Table]]
_TIER = re.compile(r"(\S+)\s+(?:(?!\+)([^+]+))?(?:\+\s*(.+))?")
_WHOLE = re.compile(r"[0-9]+|[0-9]{1,3}([,_][0-9]{3})+")
_REST = ("inf", "rest", "then", "…", "...")


class Form(StrEnum):
    """Forms that a price can be written in."""

    UNIT = "per unit"
    PACKAGE = "package"
    GRADUATED = "graduated"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class MeterDraft:
    """A meter as it is written; empty texts are Stripe's defaults."""

    event_name: str
    display_name: str = ""
    formula: Formula = Formula.SUM
    customer_key: str = ""
    value_key: str = ""
    window: str = ""

    @property
    def name(self) -> str:
        """The table's name."""
        return _named(self.event_name)

    def tables(self) -> Tables:
        """Return the table that declares it; what is a default is left out.

        Raises:
            BadInput: It has no name.
        """
        if not self.event_name:
            raise BadInput("an event name is missing: what its events are called")
        table: Table = {"display_name": self.display_name or self.event_name}
        if self.event_name != self.name:
            table["event_name"] = self.event_name
        _unless(table, "formula", self.formula.value, Formula.SUM.value)
        _unless(table, "customer_key", self.customer_key, DEFAULT_CUSTOMER_KEY)
        _unless(table, "value_key", self.value_key, DEFAULT_VALUE_KEY)
        _unless(table, "event_time_window", self.window, "")
        return {"meters": {self.name: table}}


@dataclass(frozen=True, slots=True)
class PriceDraft:
    """A price as it is written.

    Attributes:
        product: One that exists; None for a new one called `new_product`.
        meter: Whose usage it bills; None for a fee.
        amount: Of a unit or a package, as money.
        tiers: A line each: `1,000 0.01 USD + 5 USD`, the last one `inf 0.001 USD`.
    """

    lookup_key: str
    form: Form = Form.UNIT
    product: ProductInfo | None = None
    new_product: str = ""
    meter: MeterInfo | None = None
    amount: str = ""
    size: str = ""
    round: Round = Round.UP
    tiers: tuple[str, ...] = ()
    interval: Interval = Interval.MONTH
    interval_count: str = ""
    nickname: str = ""

    @property
    def name(self) -> str:
        """The table's name."""
        return _named(self.lookup_key)

    def tables(self, declared: Catalogue) -> Tables:
        """Return the tables that declare it, with those it refers to.

        Args:
            declared: What the configuration has already, which is referred to by its
                names there.

        Raises:
            BadInput: Something is missing, or cannot be read.
        """
        if not self.lookup_key:
            raise BadInput("a lookup key is missing: what the price is called")
        found: Tables = {}
        table: Table = {"product": self._product(declared, found)}
        if self.meter is not None:
            table["meter"] = _meter(self.meter, declared, found)
        _unless(table, "interval", self.interval.value, Interval.MONTH.value)
        count = _whole(self.interval_count, "intervals") if self.interval_count else 1
        if count != 1:
            table["interval_count"] = count
        table |= self._form()
        if self.lookup_key != self.name:
            table["lookup_key"] = self.lookup_key
        _unless(table, "nickname", self.nickname, "")
        found["prices"] = {self.name: table}
        return found

    def _product(self, declared: Catalogue, found: Tables) -> str:
        if self.product is not None:
            for name, spec in declared.products.items():
                if spec.id == self.product.id:
                    found["products"] = {name: {"id": spec.id, "name": spec.title}}
                    return name
            name = _named(self.product.name).lower()
            table: Table = {"name": self.product.name}
            if self.product.id != f"prod_{name}":
                table["id"] = self.product.id
            found["products"] = {name: table}
            return name
        if not self.new_product:
            raise BadInput("a product is missing: what customers read on the invoice")
        name = _named(self.new_product).lower()
        found["products"] = {name: {"name": self.new_product}}
        return name

    def _form(self) -> Table:
        match self.form:
            case Form.UNIT:
                return {"unit": _money(_given(self.amount, "what a unit costs"))}
            case Form.PACKAGE:
                package: Table = {
                    "amount": _money(_given(self.amount, "what a package costs")),
                    "size": _whole(_given(self.size, "units in a package"), "units"),
                }
                _unless(package, "round", self.round.value, Round.UP.value)
                return {"package": package}
            case Form.GRADUATED:
                return {"mode": TiersMode.GRADUATED.value, "tiers": self._tiers()}
            case Form.VOLUME:
                return {"mode": TiersMode.VOLUME.value, "tiers": self._tiers()}

    def _tiers(self) -> list[Table]:
        lines = [line for line in self.tiers if line.strip()]
        if not lines:
            raise BadInput("tiers are missing; the last is for the rest: inf 0.001 USD")
        return [tier_of(line) for line in lines]


def to_paste(tables: Tables, declared: Catalogue) -> Tables:
    """Return the tables that the configuration does not have yet, in its order."""
    known = {"meters": declared.meters, "products": declared.products}
    return {
        group: {
            name: table
            for name, table in tables.get(group, {}).items()
            if name not in known.get(group, {})
        }
        for group in ("meters", "products", "prices")
    }


def tier_of(line: str) -> Table:
    """Read a tier: up to which unit, what one costs, and what is added once.

    `1,000 0.01 USD`, `10_000 0.005 USD + 5 USD`, `inf + 20 USD`.

    Raises:
        BadInput: It is no such line.
    """
    match = _TIER.fullmatch(line.strip())
    if match is None or not (match[2] or match[3]):
        raise BadInput(
            f"{visible(line, 40)!r} is no tier; write up to which unit and what one"
            " costs, such as 1,000 0.01 USD, or inf 0.001 USD + 5 USD"
        )
    end = match[1].casefold()
    tier: Table = {"up_to": "inf" if end in _REST else _whole(match[1], "units")}
    for key, text in (("unit", match[2]), ("flat", match[3])):
        if text:
            tier[key] = _money(text.strip())
    return tier


def _named(text: str) -> str:
    """Return a name that a table of the configuration may have."""
    return table_name(text) or "x"


def _meter(meter: MeterInfo, declared: Catalogue, found: Tables) -> str:
    for name, spec in declared.meters.items():
        if spec.event_name == meter.event_name:
            found["meters"] = {name: {"event_name": spec.event_name}}
            return name
    draft = MeterDraft(
        meter.event_name,
        meter.display_name,
        Formula(meter.formula),
        meter.customer_key,
        meter.value_key,
        meter.event_time_window,
    )
    found.update(draft.tables())
    return draft.name


def _unless(table: Table, key: str, value: str, default: str) -> None:
    if value and value != default:
        table[key] = value


def _given(text: str, what: str) -> str:
    if not text:
        raise BadInput(f"{what} is missing, such as 0.01 USD")
    return text


def _money(text: str) -> str:
    """Refuse at once what is no money: nobody has to finish the form to hear it."""
    parse_money(text)
    return text


def _whole(text: str, what: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise BadInput(f"{visible(text, 20)!r} is no whole number of {what}")
    return int(text.replace(",", "").replace("_", ""))
