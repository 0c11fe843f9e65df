"""Where a request's resource, cost and call id come from, ready to be given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TypeVar

from meterdeck.core.errors import BadInput
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.middleware.routes import Routes
from meterdeck.core.model.text import visible

_T = TypeVar("_T")
_NUMBER = re.compile(r"[0-9]{1,16}")


def by_route(routes: Mapping[str, _T], default: _T) -> Callable[[Exchange], _T]:
    """Return a callable that gives the value of the first route that fits.

    Args:
        routes: Pattern (see `Route`) → resource or cost, looked at in this order.
        default: The value where no pattern fits. A resource of None and a cost of 0
            both count nothing.

    Raises:
        ConfigError: A pattern is none.
    """
    patterns = Routes.parse(routes)
    values = tuple(routes.values())

    def value(exchange: Exchange) -> _T:
        index = patterns.first(exchange)
        return default if index is None else values[index]

    return value


def from_header(
    name: str, default: str | None = None
) -> Callable[[Exchange], str | None]:
    """Return a callable that gives a header of the request.

    The client writes the request's headers: use one that your gateway sets.
    """

    def value(exchange: Exchange) -> str | None:
        found = exchange.header(name)
        return default if found is None else found.strip()

    return value


def number_from_header(name: str, default: int = 1) -> Callable[[Exchange], int]:
    """Return a callable that gives the whole number in a header of the request.

    The client writes the request's headers: use one that your gateway sets.
    """

    def value(exchange: Exchange) -> int:
        return _number(name, exchange.header(name), default)

    return value


def number_from_answer(name: str, default: int = 1) -> Callable[[Exchange], int]:
    """Return a callable that gives the whole number in a header of the answer.

    For counting answered requests: the application says what each has cost.
    """

    def value(exchange: Exchange) -> int:
        if exchange.status is None:
            raise BadInput(
                f"the answer's header {name} is not known before the request is"
                ' answered; use mode="count"'
            )
        return _number(name, exchange.answer_header(name), default)

    return value


def call_id_from_header(
    name: str = "idempotency-key",
) -> Callable[[Exchange], str | None]:
    """Return a callable that makes a call id of a header, method and address.

    Repeating a request with the same header counts once in ten minutes. Whoever
    sends the header decides that: use it where the application, too, does repeated
    work once.
    """

    def value(exchange: Exchange) -> str | None:
        given = exchange.header(name)
        if not given:
            return None
        parts = (
            exchange.method.encode(),
            str(exchange.scope["path"]).encode("utf-8", "surrogatepass"),
            bytes(exchange.scope.get("query_string") or b""),
            given.encode("latin-1"),
        )
        return sha256(b"\n".join(parts)).hexdigest()

    return value


def _number(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if _NUMBER.fullmatch(text.strip()) is None:
        raise BadInput(f"header {name} is {visible(text)}, not a whole number")
    return int(text)
