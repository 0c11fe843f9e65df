"""The types of an object's attributes, as its `__init__` declares them, and in JSON."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter

PLAIN = (bool, int, float, str, datetime, timedelta, Decimal)


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Return what writes and reads values of a type; it is costly to make."""
    return TypeAdapter(kind)


def hint_of(holder: object, attribute: str) -> Any:
    """Return the type of an attribute; of a plain value without one, the value's.

    Raises:
        TypeError: Nothing tells what it holds.
    """
    kind: Any = type(holder)
    hints = _hints(kind)
    if attribute in hints:
        return hints[attribute]
    value = getattr(holder, attribute)
    if isinstance(value, PLAIN):
        return type(value)
    where = f"{kind.__name__}.{attribute}"
    raise TypeError(f"{where} has no type: annotate it where it is set")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    # Type hints of `self.x: T = …` are kept nowhere but in the source.
    source = textwrap.dedent(inspect.getsource(vars(kind)["__init__"]))
    found = {
        node.target.attr: ast.unparse(node.annotation)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute)
    }
    written = type("Written", (), {"__annotations__": found})
    return get_type_hints(written, vars(sys.modules[kind.__module__]))
