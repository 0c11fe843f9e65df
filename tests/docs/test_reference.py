"""Pages that list what the code has: metrics, exit codes, defaults of settings."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from tests.docs.pages import text_of

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.services.sync.metrics import Metrics
from meterdeck.core.settings.schema import ContextSettings, Settings
from meterdeck.tui.cli.sync import _ask

_LITERAL = re.compile(r'`?("[^"]*"|true|false|[0-9][0-9._]*[0-9]|[0-9])`?(?=$|[,; ])')


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of a page's tables, a row each."""
    lines = [line for line in text_of(page).splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines
    ]


def test_the_page_of_metrics_has_those_that_there_are() -> None:
    """Each with its labels and its kind, as Prometheus shows them."""
    metrics = Metrics()
    _ask(metrics, dict)  # nothing is asked here
    found = set()
    collectors: set[Any] = {*metrics.registry._collector_to_names}
    for collector in collectors:
        labels = ",".join(getattr(collector, "_labelnames", ()))
        for family in collector.describe():
            name = family.name + ("_total" if family.type == "counter" else "")
            found.add((f"{name}{{{labels}}}" if labels else name, family.type))

    shown = {
        (row[0].strip("`"), row[1])
        for row in rows_of("docs/reference/metrics.md")
        if row[0].startswith("`meterdeck_")
    }

    assert shown == found


def test_every_exit_code_stands_where_it_is_looked_for() -> None:
    """Those of all errors, and those that are none: done, and Ctrl-C."""
    codes = {str(kind.exit_code) for kind in _kinds(MeterdeckError)} | {"0", "130"}

    for page in ("docs/reference/exit-codes.md", "docs/command-line.md"):
        shown = [row[0] for row in rows_of(page) if row[0].isdigit()]
        assert sorted(shown) == sorted(codes), page


def test_defaults_on_the_page_of_settings_are_those_in_force() -> None:
    """Wherever the second cell of a row begins with a value."""
    compared, section = 0, ""
    for row in rows_of("docs/settings.md"):
        if row[1] == "default":
            section = row[0].strip("`[]").removesuffix("setting")
            continue
        name = ".".join(filter(None, (section, row[0].strip("`"))))
        value = _LITERAL.match(row[1])
        if not re.fullmatch(r"[a-zA-Z_]+(\.[a-zA-Z_]+)+", name) or not value:
            continue
        compared += 1
        shown = tomllib.loads(f"x = {value[1]}")["x"]
        assert _plain(default_of(name)) == shown, name

    assert compared > 12


def default_of(name: str) -> Any:
    """Return the default of a setting, by its dotted name."""
    model: Any = Settings
    *tables, key = name.split(".")
    if tables[0] == "library":
        model = ContextSettings
    for table in tables:
        if table != "NAME":
            model = _model(model.model_fields[table].annotation)
    field = model.model_fields[key]
    return field.get_default(call_default_factory=True)


def _model(annotation: Any) -> type[BaseModel]:
    """Return the table that a setting is, or has by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [each for each in get_args(annotation) if get_args(each) or _is_model(each)]
    return _model(inner[-1])


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=float))


def _kinds(kind: type[MeterdeckError]) -> Iterator[type[MeterdeckError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)
