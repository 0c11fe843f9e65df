"""Schemas of requests: what may be sent, of which type, in which range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import (
    invalid,
    missing_param,
    unknown_params,
    unsupported_param,
)
from meterdeck.core.local_stripe.wire import Raw

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_INDEX = re.compile(r"[0-9]{1,6}")
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]+)?")


class Kind(Protocol):
    """One type of parameter."""

    def read(self, raw: Raw, name: str) -> object:
        """Give the value, or raise the refusal Stripe would answer."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `clearable` ones read the empty text as None."""

    longest: int = 5_000
    choices: tuple[str, ...] = ()
    clearable: bool = False

    def read(self, raw: Raw, name: str) -> str | None:
        """Give the text, None for a cleared one."""
        if not isinstance(raw, str):
            raise invalid(f"Invalid string: {_shown(raw)}", name)
        if raw == "":
            if self.clearable:
                return None
            raise _empty(name)
        if self.choices and raw not in self.choices:
            raise invalid(f"Invalid {name}: must be {_one_of(self.choices)}", name)
        if len(raw) > self.longest:
            raise invalid(
                f"Invalid string: {_shown(raw)}; must be at most"
                f" {self.longest} characters",
                name,
            )
        return raw


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in a range."""

    least: int | None = None
    most: int | None = None
    word: str = ""
    clearable: bool = False

    def read(self, raw: Raw, name: str) -> int | str | None:
        """Give the number; `word` (`now`, `inf`) is read as itself."""
        if self.word and raw == self.word:
            return self.word
        if raw == "" and self.clearable:
            return None
        if not isinstance(raw, str) or not _INTEGER.fullmatch(raw):
            raise _bad_integer(f"Invalid integer: {_shown(raw)}", name)
        number = int(raw)
        if self.least is not None and number < self.least:
            raise _bad_integer(
                f"This value must be greater than or equal to {self.least}.", name
            )
        if self.most is not None and number > self.most:
            raise _bad_integer(
                f"This value must be less than or equal to {self.most}.", name
            )
        return number


@dataclass(frozen=True, slots=True)
class Exact:
    """A decimal amount of at most 12 places, not negative."""

    def read(self, raw: Raw, name: str) -> Decimal:
        """Give the exact number."""
        if not isinstance(raw, str) or not _DECIMAL.fullmatch(raw):
            raise invalid(f"Invalid decimal: {_shown(raw)}", name)
        number = Decimal(raw)
        if number < 0:
            raise invalid("This value must be greater than or equal to 0.", name)
        _, _, places = raw.partition(".")
        if len(places) > 12:
            raise invalid(
                f"Invalid decimal: {raw}; must contain at most 12 decimal places.", name
            )
        return number


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`."""

    def read(self, raw: Raw, name: str) -> bool:
        """Give the truth value."""
        if not isinstance(raw, str) or raw not in {"true", "false"}:
            raise invalid(f"Invalid boolean: {_shown(raw)}", name)
        return raw == "true"


@dataclass(frozen=True, slots=True)
class TextMap:
    """Texts by name: metadata (which merges and clears) or a payload."""

    longest_key: int = 40
    longest_value: int = 500
    most: int = 50

    def read(self, raw: Raw, name: str) -> dict[str, str] | None:
        """Give the map, None when the whole map is cleared."""
        if raw == "":
            return None
        if not isinstance(raw, dict):
            raise invalid("Invalid object", name)
        if len(raw) > self.most:
            raise invalid(f"You can only set {self.most} keys in {name}.", name)
        return {key: self._value(item, key, name) for key, item in raw.items()}

    def _value(self, raw: Raw, key: str, name: str) -> str:
        if not isinstance(raw, str):
            raise invalid(f"Invalid string: {_shown(raw)}", f"{name}[{key}]")
        if len(key) > self.longest_key:
            raise invalid(
                f"Metadata keys must be at most {self.longest_key} characters", name
            )
        if len(raw) > self.longest_value:
            raise invalid(
                f"Metadata values must be at most {self.longest_value} characters",
                f"{name}[{key}]",
            )
        return raw


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, sent as `name[]` or `name[0]`; the empty text is the empty list."""

    kind: Kind
    most: int = 100

    def read(self, raw: Raw, name: str) -> list[object]:
        """Give the items in order."""
        if raw == "":
            return []
        if isinstance(raw, dict) and all(map(_INDEX.fullmatch, raw)):
            raw = [raw[key] for key in sorted(raw, key=int)]
        if not isinstance(raw, list):
            raise invalid("Invalid array", name)
        if len(raw) > self.most:
            raise invalid(f"Array {name} exceeded maximum {self.most} elements.", name)
        return [self.kind.read(item, f"{name}[{i}]") for i, item in enumerate(raw)]


@dataclass(frozen=True, slots=True)
class Either:
    """A plain value or a group, such as `created` and `created[gte]`."""

    plain: Kind
    group: Kind

    def read(self, raw: Raw, name: str) -> object:
        """Give the value by the form it was sent in."""
        return (self.group if isinstance(raw, dict) else self.plain).read(raw, name)


@dataclass(frozen=True, slots=True)
class WordOr:
    """One of a few words, read as itself, or a value of another kind."""

    words: tuple[str, ...]
    kind: Kind
    unsupported: tuple[str, ...] = ()

    def read(self, raw: Raw, name: str) -> object:
        """Give the word or the value."""
        if isinstance(raw, str) and raw in self.words:
            return raw
        if isinstance(raw, str) and raw in self.unsupported:
            raise unsupported_param(f"{name}={raw}")
        return self.kind.read(raw, name)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A parameter of Stripe's that this sandbox refuses instead of ignoring it."""

    def read(self, raw: Raw, name: str) -> object:
        """Always raise, except for a value that clears what is empty here anyway."""
        if raw == "":
            return None
        raise unsupported_param(name)


@dataclass(frozen=True, slots=True)
class Section:
    """A group of parameters by name; any other name is refused."""

    fields: Mapping[str, Kind]
    required: tuple[str, ...] = ()
    clearable: bool = False

    def read(self, raw: Raw, name: str = "") -> Parameters | None:
        """Give the group, None when cleared."""
        if raw == "" and self.clearable:
            return None
        if not isinstance(raw, dict):
            raise invalid("Invalid object", name)
        return self.parameters(raw, name)

    def parameters(self, raw: Mapping[str, Raw], name: str = "") -> Parameters:
        """Give the parameters; unknown names are told before missing ones."""

        def path(key: str) -> str:
            return f"{name}[{key}]" if name else key

        unknown = [path(key) for key in raw if key not in self.fields]
        if unknown:
            raise unknown_params(unknown)
        for key in self.required:
            if key not in raw:
                raise missing_param(path(key))
        values = {key: self.fields[key].read(raw[key], path(key)) for key in raw}
        return Parameters(values, name)


EXPAND: Mapping[str, Kind] = {"expand": ListOf(Text())}
METADATA = TextMap()
# Year 3000: any larger Unix time is milliseconds by mistake.
LATEST = 32_503_680_000
TIME = Integer(0, LATEST)
TIME_RANGE = Either(TIME, Section(dict.fromkeys(("gt", "gte", "lt", "lte"), TIME)))
PAGE: Mapping[str, Kind] = {
    "limit": Integer(1, 100),
    "starting_after": Text(),
    "ending_before": Text(),
    **EXPAND,
}


def _shown(raw: Raw) -> str:
    text = raw if isinstance(raw, str) else str(raw)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _one_of(choices: tuple[str, ...]) -> str:
    if len(choices) == 1:
        return choices[0]
    if len(choices) == 2:
        return f"one of {choices[0]} or {choices[1]}"
    return f"one of {', '.join(choices[:-1])}, or {choices[-1]}"


def _empty(name: str) -> Exception:
    return invalid(
        f"You passed an empty string for '{name}'. We assume empty values are an"
        f" attempt to unset a parameter; however '{name}' cannot be unset. You should"
        f" remove '{name}' from your request or supply a non-empty value.",
        name,
        "parameter_invalid_empty",
    )


def _bad_integer(message: str, name: str) -> Exception:
    return invalid(message, name, "parameter_invalid_integer")
