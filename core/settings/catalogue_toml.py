"""A catalogue written as the tables that declare it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from meterdeck.core.model.catalogue import (
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.money import Money
from meterdeck.core.model.prices import (
    Interval,
    Package,
    PerUnit,
    Round,
    Tier,
    Tiered,
)
from meterdeck.core.model.text import visible

Table = dict[str, Any]
Tables = Mapping[str, Mapping[str, Table]]


def tables_of(catalogue: Catalogue) -> Tables:
    """Return the tables that declare a catalogue, without what is the default."""
    return {
        "meters": {name: _meter(each) for name, each in catalogue.meters.items()},
        "products": {name: _product(each) for name, each in catalogue.products.items()},
        "prices": {name: _price(each) for name, each in catalogue.prices.items()},
    }


def toml_of(tables: Tables) -> str:
    """Write tables as TOML; a list of tiers gets a line for each."""
    # Only one command needs it, and it costs 40 ms.
    import tomlkit  # noqa: PLC0415

    blocks = []
    for section, named in tables.items():
        for name, table in named.items():
            document = tomlkit.document()
            document[section] = tomlkit.table(is_super_table=True)
            document[section][name] = _laid_out(table)
            blocks.append(tomlkit.dumps(document).strip("\n") + "\n")
    return "".join(map(_escaped, "\n".join(blocks)))


def _escaped(ch: str) -> str:
    """Write what nobody sees, such as a change of direction, as TOML's escape.

    It can only be within a string: what is around them is ours.
    """
    if ch == "\n" or visible(ch) == ch:
        return ch
    return f"\\U{ord(ch):08X}"


def _laid_out(table: Table) -> Any:
    import tomlkit  # noqa: PLC0415 - see above

    made = tomlkit.table()
    for key, value in table.items():
        if isinstance(value, dict):
            made[key] = _inline(value)
        elif isinstance(value, list):
            made[key] = tomlkit.array()
            for entry in value:
                made[key].append(_inline(entry))
            made[key].multiline(True)
        else:
            made[key] = value
    return made


def _inline(table: Table) -> Any:
    import tomlkit  # noqa: PLC0415 - see above

    made = tomlkit.inline_table()
    made.update(table)
    return made


def _meter(spec: MeterSpec) -> Table:
    plain = MeterSpec(spec.name, event_name=spec.name, display_name=spec.name)
    return dict(_differing(spec, plain))


def _product(spec: ProductSpec) -> Table:
    plain = ProductSpec(spec.name, id=f"prod_{spec.name}", title=spec.name)
    table = dict(_differing(spec, plain))
    return {("name" if key == "title" else key): table[key] for key in table}


def _price(spec: PriceSpec) -> Table:
    table: Table = {"product": spec.product}
    if spec.meter:
        table["meter"] = spec.meter
    if spec.interval is not Interval.MONTH:
        table["interval"] = spec.interval.value
    if spec.interval_count != 1:
        table["interval_count"] = spec.interval_count
    table.update(_form(spec))
    if spec.lookup_key != spec.name:
        table["lookup_key"] = spec.lookup_key
    for key in ("nickname", "tax_behavior"):
        if value := getattr(spec, key):
            table[key] = value
    if not spec.active:
        table["active"] = False
    return table


def _form(spec: PriceSpec) -> Table:
    def money(minor: Decimal) -> str:
        return str(Money.of_minor(minor, spec.currency))

    match spec.form:
        case PerUnit(unit):
            return {"unit": money(unit)}
        case Package(amount, size, rounding):
            package: Table = {"amount": money(amount), "size": size}
            if rounding is not Round.UP:
                package["round"] = rounding.value
            return {"package": package}
        case Tiered(mode, tiers):
            written = [_tier(tier, money) for tier in tiers]
            return {"mode": mode.value, "tiers": written}


def _tier(tier: Tier, money: Callable[[Decimal], str]) -> Table:
    table: Table = {"up_to": "inf" if tier.up_to is None else tier.up_to}
    if tier.unit or not tier.flat:
        table["unit"] = money(tier.unit)
    if tier.flat:
        table["flat"] = money(tier.flat)
    return table


def _differing(
    spec: MeterSpec | ProductSpec, plain: MeterSpec | ProductSpec
) -> Iterator[tuple[str, object]]:
    """Yield the fields in which a specification is not as one says nothing."""
    for each in fields(spec):
        value = getattr(spec, each.name)
        if value != getattr(plain, each.name):
            yield each.name, value if isinstance(value, bool) else str(value)
