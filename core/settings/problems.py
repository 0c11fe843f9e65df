"""Turn what validation found into one sentence: where, what, what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.text import visible
from meterdeck.core.settings.layers import Layer, Path_
from meterdeck.core.settings.nearest import suggest
from meterdeck.core.settings.schema import Settings

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be a text in quotes",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "tuple_type": 'must be a list, like ["a", "b"]',
    "dict_type": "must be a table of its own",
    "model_type": "must be a table of its own",
    "model_attributes_type": "must be a table of its own",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "may hold only letters, digits, dot, dash, underscore",
}


class Origins:
    """Where each setting came from, the strongest layer winning."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._of: dict[Path_, str] = {}
        self._first = ""
        for layer in layers:
            self._of.update(layer.origins)
            self._first = self._first or next(iter(layer.origins.values()), "")

    def source(self, path: Path_) -> str | None:
        """Return the file, variable or flag that set `path`; None: a default."""
        return self._of.get(path)

    def where(self, path: Path_) -> str:
        """Name a setting for a person: its source, and the key where it is a file."""
        key = visible(".".join(path))
        source = self._of.get(path) or self._near(path)
        if source.startswith(("environment ", "--")):
            return source if path in self._of else f"{source}: {key}"
        return f"{source}: {key}"

    def _near(self, path: Path_) -> str:
        for length in range(len(path), 0, -1):
            for known, source in self._of.items():
                if known[:length] == path[:length]:
                    return source
        return self._first or "configuration"


def as_config_error(error: ValidationError, origins: Origins) -> ConfigError:
    """Make the sentence for the first thing that is wrong; values are not quoted."""
    # An unknown key explains the missing one beside it, so it goes first.
    found = sorted(error.errors(include_input=False), key=_is_known)[0]
    path = _setting_path(found["loc"])
    kind = found["type"]
    if kind == "extra_forbidden":
        near = suggest(path[-1], fields_of(path[:-1]))
        return ConfigError(origins.where(path), "there is no such setting", near)
    return ConfigError(origins.where(path), _words(kind, found))


def _is_known(found: Mapping[str, Any]) -> bool:
    return bool(found["type"] != "extra_forbidden")


def _setting_path(location: tuple[int | str, ...]) -> Path_:
    """Drop what is no key of the file: list positions and pydantic's own marks."""
    path = tuple(part for part in location if isinstance(part, str) and part != "[key]")
    # A plan's limit may be written without a table.
    plain = (
        path[:1] == ("plans",) and path[2:3] == ("limits",) and path[4:] == ("limit",)
    )
    return path[:4] if plain else path


def _words(kind: str, found: Mapping[str, Any]) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    context: Mapping[str, Any] = found.get("ctx") or {}
    if kind in ("enum", "literal_error"):
        return f"must be {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for bound, words in bounds.items():
        if bound in context:
            return f"must be {words} {context[bound]:g}"
    return str(found["msg"]).removeprefix("Input ")


def fields_of(path: Path_) -> tuple[str, ...]:
    """Return the keys that the table at `path` may have."""
    kind: Any = Settings
    for part in path:
        kind = _step(kind, part)
    return tuple(kind.model_fields) if _is_model(kind) else ()


def _step(kind: Any, part: str) -> Any:
    if _is_model(kind):
        field = kind.model_fields.get(part)
        return _without_none(field.annotation) if field else None
    return get_args(kind)[1] if get_origin(kind) is dict else None


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (UnionType, Union):
        kind = next(arm for arm in get_args(kind) if arm is not type(None))
    # Annotated[Model, …] inside a union keeps its wrapper.
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
