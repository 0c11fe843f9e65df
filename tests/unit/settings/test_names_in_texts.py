"""Settings that a sentence names: they must be those that the file may hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from meterdeck.core.settings.schema import (
    DeliverySettings,
    LibrarySettings,
    RedisSettings,
    StripeSettings,
)

ROOT = Path(__file__).parents[3]
SECTIONS: dict[str, type[BaseModel]] = {
    "delivery": DeliverySettings,
    "library": LibrarySettings,
    "redis": RedisSettings,
    "stripe": StripeSettings,
}
NAMED = re.compile(rf"(?<![\w./:@-])({'|'.join(SECTIONS)})\.([a-z_]+)\b(?![(.])")


def sentences(path: Path) -> Iterator[str]:
    """Yield the texts of a module that somebody may read: no docstring, no import."""
    tree = ast.parse(path.read_text())
    docs = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for each in ast.walk(tree):
        text = each.value if isinstance(each, ast.Constant) else None
        if isinstance(text, str) and id(each) not in docs:
            yield text


def test_each_setting_that_a_sentence_names_can_be_set() -> None:
    """Who follows the advice of a check would else be told of an unknown setting."""
    named = {
        (section, name, path.name)
        for folder in ("core", "tui")
        for path in (ROOT / folder).rglob("*.py")
        for text in sentences(path)
        for section, name in NAMED.findall(text)
    }
    unknown = [
        (section, name, file)
        for section, name, file in sorted(named)
        if name not in SECTIONS[section].model_fields
    ]

    assert ("library", "spool_megabytes", "spool_check.py") in named
    assert unknown == []
