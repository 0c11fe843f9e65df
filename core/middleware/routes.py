"""Patterns of routes: which request a rule is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from meterdeck.core.errors import ConfigError
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.model.text import visible

_PARAMETER = re.compile(r"(\{[A-Za-z_][A-Za-z0-9_]*(?::[a-z]+)?\})")


@dataclass(frozen=True, slots=True)
class Route:
    """One pattern: `/exact`, `/prefix/*`, `/images/{id}`, `POST /images` or `*`.

    `{id}` is one part of the path, `{rest:path}` and a final `*` are all that
    follows. A pattern without a method is about every method; GET includes HEAD.
    """

    method: str
    path: re.Pattern[str]

    @classmethod
    def parse(cls, pattern: str) -> Self:
        """Read a pattern.

        Raises:
            ConfigError: The path does not begin with a slash.
        """
        method, _, path = pattern.strip().rpartition(" ")
        if path != "*" and not path.startswith("/"):
            raise ConfigError(
                f"route {visible(pattern)!r}",
                "has no path",
                "write /exact, /prefix/*, /images/{id}, or a method before it",
            )
        return cls(method.strip().upper(), re.compile(_expression(path), re.DOTALL))

    def matches(self, exchange: Exchange) -> bool:
        """Tell whether the request is one of this pattern's."""
        # A router answers HEAD with the GET route: it is no way around a rule.
        asked = "GET" if exchange.method == "HEAD" else exchange.method
        if self.method not in ("", asked, exchange.method):
            return False
        return self.path.fullmatch(exchange.path) is not None


@dataclass(frozen=True, slots=True)
class Routes:
    """Patterns in order."""

    patterns: tuple[Route, ...]

    @classmethod
    def parse(cls, patterns: Iterable[str]) -> Self:
        """Read patterns.

        Raises:
            ConfigError: One of them is none.
        """
        if isinstance(patterns, str):
            raise ConfigError("routes", "are one text", f"write ({patterns!r},)")
        return cls(tuple(Route.parse(each) for each in patterns))

    def first(self, exchange: Exchange) -> int | None:
        """Return the index of the first pattern that fits; None where none does."""
        for index, pattern in enumerate(self.patterns):
            if pattern.matches(exchange):
                return index
        return None


def _expression(path: str) -> str:
    rest = path.endswith("*")
    parts = _PARAMETER.split(path.removesuffix("*"))
    return "".join(_part(each) for each in parts) + (".*" if rest else "")


def _part(text: str) -> str:
    if _PARAMETER.fullmatch(text) is None:
        return re.escape(text)
    return ".*" if text.endswith(":path}") else "[^/]+"
