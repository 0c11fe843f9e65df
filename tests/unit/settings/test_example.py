"""The example configuration: complete, correct, and the one that `init` writes."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import BaseModel

from meterdeck.core.model.context import Mode
from meterdeck.core.settings import load_context
from meterdeck.core.settings.catalogue_schema import (
    MeterSettings,
    PriceSettings,
    ProductSettings,
)
from meterdeck.core.settings.schema import (
    ConsoleSettings,
    ContextSettings,
    DeliverySettings,
    LibrarySettings,
    PlanSettings,
    RedisSettings,
    ResourceSettings,
    Settings,
    StripeSettings,
)

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
TABLES: dict[type[BaseModel], str] = {
    Settings: r"",
    ResourceSettings: r"resources\.\w+",
    PlanSettings: r"plans\.\w+",
    ContextSettings: r"contexts\.\w+",
    RedisSettings: r"contexts\.\w+\.redis",
    StripeSettings: r"contexts\.\w+\.stripe",
    LibrarySettings: r"contexts\.\w+\.library",
    DeliverySettings: r"contexts\.\w+\.delivery",
    MeterSettings: r"meters\.\w+",
    ProductSettings: r"products\.\w+",
    PriceSettings: r"prices\.\w+",
    ConsoleSettings: r"console",
}
SECRETS = {"STAGING_REDIS_PASSWORD": "pw", "STAGING_STRIPE_KEY": "rk_test_1"}


def with_defaults_written_out() -> str:
    """Return the example with its commented defaults put in force."""
    return re.sub(r"(?m)^#(?=\w+ = )", "", EXAMPLE.read_text())


def test_the_example_loads() -> None:
    """With the two secrets it names, it is a working configuration."""
    context = load_context(config=EXAMPLE, environ=SECRETS)

    assert (context.name, context.mode) == ("staging", Mode.TEST)
    assert len(context.resources) == 3


def test_the_defaults_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    """Removing every # changes nothing."""
    written = tmp_path / "c.toml"
    written.write_text(with_defaults_written_out())

    assert written.read_text() != EXAMPLE.read_text()
    with_them = load_context(config=written, environ=SECRETS)
    assert with_them == load_context(config=EXAMPLE, environ=SECRETS)


def written_keys() -> Iterator[tuple[str, str, bool]]:
    """Yield each key with its table, and whether a comment stands right above it.

    The first part of a table's own name counts as a key of the file.
    """
    table, line_before = "", ""
    for line in with_defaults_written_out().splitlines():
        if header := re.match(r"\[(.+)\]", line):
            table = header[1]
            parent, _, name = table.rpartition(".")
            yield parent, name, True
            yield "", table.partition(".")[0], True
        elif key := re.match(r"(\w+) = ", line):
            yield table, key[1], line_before.startswith("# ")
        line_before = line


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_setting_is_in_the_example(model: type[BaseModel]) -> None:
    """Each field of the schema stands in its table, with a comment in the section."""
    present = {
        key for table, key, _ in written_keys() if re.fullmatch(TABLES[model], table)
    }

    assert set(model.model_fields) - present == set()


def test_every_key_of_the_example_has_a_comment_where_it_first_stands() -> None:
    """A reader finds what a setting is for right above it."""
    explained: dict[str, bool] = {}
    for table, key, comment in written_keys():
        if not table.endswith(".limits"):
            explained.setdefault(key, comment)

    assert [key for key, comment in explained.items() if not comment] == []


def test_init_writes_this_example() -> None:
    """The packaged copy and the one at the root of the repository are the same."""
    packaged = files("meterdeck.core.settings").joinpath("example.toml")

    assert packaged.read_text() == EXAMPLE.read_text()
