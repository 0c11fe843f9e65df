"""docs/reference/schemas.json: whether what a command printed is as it says.

The part of JSON Schema that the file uses, and nothing else: a keyword that is not
known here is an error of the file. Keys that the file does not name are told as well,
so that nothing is printed that is not documented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "docs" / "reference" / "schemas.json"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "type", "enum", "required", "properties", "additionalProperties", "items", "$ref",
    "anyOf",
}  # fmt: skip
_SHORT = {"alerts": "alerts list", "clock": "clock show", "faults": "faults show"}


@cache
def definitions() -> dict[str, Any]:
    """Return the definitions: of each command by its words, and of what they share."""
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))["$defs"]
    return found


def command_of(words: Sequence[str]) -> str | None:
    """Return which definition is for a command line, by its first words."""
    for count in (3, 2, 1):
        name = " ".join(words[:count])
        if _SHORT.get(name, name) in definitions():
            return _SHORT.get(name, name)
    return None


def problems(words: Sequence[str], printed: Any) -> list[str]:
    """Return where what a command printed is not as the file says."""
    error = isinstance(printed, dict) and set(printed) == {"error"}
    name = "error" if error else command_of(words)
    if name is None:
        return [f"{' '.join(words)} has no definition"]
    return list(_against(definitions()[name], printed, name))


def _against(schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    assert set(schema) <= _KNOWN, f"{at}: unknown keyword in {set(schema) - _KNOWN}"
    if "$ref" in schema:
        shared = schema["$ref"].removeprefix("#/$defs/")
        yield from _against(definitions()[shared], value, at)
    if "anyOf" in schema:
        found = [list(_against(each, value, at)) for each in schema["anyOf"]]
        yield from min(found, key=len)
    if not _is_of(schema.get("type"), value):
        yield f"{at} is {value!r}, not {schema['type']}"
    elif value not in schema.get("enum", [value]):
        yield f"{at} is {value!r}, not one of {schema['enum']}"
    elif isinstance(value, dict) and "$ref" not in schema and "anyOf" not in schema:
        yield from _object(schema, value, at)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _against(schema.get("items", {}), each, f"{at}[{number}]")


def _object(schema: dict[str, Any], value: dict[str, Any], at: str) -> Iterator[str]:
    named, others = schema.get("properties", {}), schema.get("additionalProperties")
    yield from (
        f"{at} has no {key}" for key in schema.get("required", []) if key not in value
    )
    for key, each in value.items():
        if key in named:
            yield from _against(named[key], each, f"{at}.{key}")
        elif isinstance(others, dict):
            yield from _against(others, each, f"{at}.{key}")
        elif named:
            yield f"{at}.{key} is not in the schema"


def _is_of(wanted: str | list[str] | None, value: Any) -> bool:
    if wanted is None:
        return True
    kinds = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _TYPES[each]) for each in kinds)
