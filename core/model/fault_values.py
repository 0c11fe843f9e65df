"""What the settings of the fault panel hold: read from JSON or text, and written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible

_MEASURE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(%|ms|s|m|h|d|/s)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_ON, _OFF = ("on", "true", "yes"), ("off", "false", "no")


class Values(Protocol):
    """A kind of values."""

    def read(self, name: str, value: object) -> object:
        """Read a value of the setting `name`; BadInput where it is none."""

    def show(self, value: object) -> str:
        """Write a value for people."""


def _measure(value: object) -> tuple[float, str] | None:
    """Return a number and its unit, empty where it has none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (float(value), "") if isfinite(value) else None
    match = _MEASURE.fullmatch(value.strip()) if isinstance(value, str) else None
    return (float(match[1]), match[2] or "") if match else None


def _wrong(name: str, value: object, right: str) -> BadInput:
    return BadInput(f"{name} cannot be {visible(str(value), 40)!r}; write {right}")


def _plain(number: float) -> str:
    return f"{number:,.3f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class _Share:
    """A part of all, from 0 to 1."""

    def read(self, name: str, value: object) -> float:
        found = _measure(value)
        if found is not None and found[1] in ("", "%"):
            share = found[0] / 100 if found[1] else found[0]
            if 0 <= share <= 1:
                return share
        raise _wrong(name, value, "a share: 5% or 0.05, at most 100%")

    def show(self, value: object) -> str:
        return f"{_plain(float(str(value)) * 100)} %"


@dataclass(frozen=True, slots=True)
class Seconds:
    """A span; a number without a unit is seconds."""

    most: float
    whole: bool = False

    def read(self, name: str, value: object) -> float:
        found = _measure(value)
        if found is not None and found[1] in ("", *_SECONDS):
            seconds = found[0] * _SECONDS.get(found[1], 1.0)
            if 0 <= seconds <= self.most and (not self.whole or seconds % 1 == 0):
                return seconds
        kind = "whole seconds" if self.whole else "a time such as 30s, 500ms or 2m"
        raise _wrong(name, value, f"{kind}, at most {self.most:,.0f} s")

    def show(self, value: object) -> str:
        return f"{_plain(float(str(value)))} s"


@dataclass(frozen=True, slots=True)
class Millis:
    """A span; a number without a unit is milliseconds."""

    most: float

    def read(self, name: str, value: object) -> float:
        found = _measure(value)
        if found is not None and found[1] in ("", *_SECONDS):
            millis = found[0] * _SECONDS.get(found[1], 0.001) * 1_000
            if 0 <= millis <= self.most:
                return round(millis, 6)
        right = f"a time such as 200ms or 1.5s, at most {self.most:,.0f} ms"
        raise _wrong(name, value, right)

    def show(self, value: object) -> str:
        return f"{_plain(float(str(value)))} ms"


@dataclass(frozen=True, slots=True)
class _Rate:
    """So many a second; 0 is no limit."""

    most: float

    def read(self, name: str, value: object) -> float:
        found = _measure(value)
        if value in _OFF:
            return 0.0
        if found is not None and found[1] in ("", "/s") and 0 <= found[0] <= self.most:
            return found[0]
        raise _wrong(name, value, f"how many a second: 25/s, at most {self.most:,.0f}")

    def show(self, value: object) -> str:
        return f"{_plain(float(str(value)))}/s" if value else "none"


@dataclass(frozen=True, slots=True)
class _Outage:
    """Seconds from now; None is until it is cleared."""

    most: float

    def read(self, name: str, value: object) -> float | None:
        if value is None or value is True or value in _ON:
            return None
        if value is False or value in _OFF:
            return 0.0
        try:
            return Seconds(self.most).read(name, value)
        except BadInput:
            right = f"a time such as 30s, at most {self.most:,.0f} s, on or off"
            raise _wrong(name, value, right) from None

    def show(self, value: object) -> str:
        if value is None:
            return "until cleared"
        return f"{_plain(float(str(value)))} s" if value else "none"


@dataclass(frozen=True, slots=True)
class _Flag:
    """On or off."""

    def read(self, name: str, value: object) -> bool:
        if value is True or value in _ON:
            return True
        if value is False or value in _OFF:
            return False
        raise _wrong(name, value, "on or off")

    def show(self, value: object) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, name: str, value: object) -> str:
        word = str(value) if isinstance(value, str | int) else ""
        if word in self.words:
            return word
        raise _wrong(name, value, " or ".join(self.words))

    def show(self, value: object) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class _Seed:
    """A whole number."""

    def read(self, name: str, value: object) -> int:
        found = _measure(value)
        if found is not None and not found[1] and found[0] % 1 == 0 and found[0] >= 0:
            return int(found[0])
        raise _wrong(name, value, "a whole number")

    def show(self, value: object) -> str:
        return str(value)


SHARE = _Share()
RATE = _Rate(100_000)
OUTAGE = _Outage(86_400)
FLAG = _Flag()
SEED = _Seed()
AHEAD = Seconds(3_660 * 86_400)
"""How far a clock is moved: ten years at most."""
