"""Cursor pages as Stripe cuts them: newest first, 10 unless asked, at most 100."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from meterdeck.core.local_stripe.collection import Collection, Record
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import invalid
from meterdeck.core.local_stripe.wire import Json

T = TypeVar("T", bound=Record)

_DEFAULT_LIMIT = 10


def list_object(data: list[Json], *, has_more: bool, url: str) -> Json:
    """Give the list envelope in the wire's key order."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def page_of(
    collection: Collection[T],
    parameters: Parameters,
    *,
    url: str,
    keep: Callable[[T], bool],
    render: Callable[[T], Json],
) -> Json:
    """Give one page of the records that `keep` accepts."""
    limit = limit_of(parameters)
    after, before = cursors_of(parameters)
    if before is not None:
        collection.get(before, "ending_before")
        walk = collection.oldest_first(before=before)
        records, has_more = _take(walk, keep, limit)
        records.reverse()
    else:
        if after is not None:
            collection.get(after, "starting_after")
        records, has_more = _take(collection.newest_first(after=after), keep, limit)
    return list_object([render(each) for each in records], has_more=has_more, url=url)


def limit_of(parameters: Parameters) -> int:
    """Give the page size."""
    return parameters.integer("limit") or _DEFAULT_LIMIT


def cursors_of(parameters: Parameters) -> tuple[str | None, str | None]:
    """Give `starting_after` and `ending_before`, of which only one may be sent."""
    after = parameters.text("starting_after")
    before = parameters.text("ending_before")
    if after is not None and before is not None:
        raise invalid(
            "You may only specify one of these parameters:"
            " starting_after, ending_before."
        )
    return after, before


def in_range(value: int, parameters: Parameters, key: str) -> bool:
    """Tell whether a time passes a `created`-like filter."""
    exact = parameters.integer(key)
    if exact is not None:
        return value == exact
    bounds = parameters.section(key)
    if bounds is None:
        return True
    tests: tuple[tuple[str, Callable[[int], bool]], ...] = (
        ("gt", lambda bound: value > bound),
        ("gte", lambda bound: value >= bound),
        ("lt", lambda bound: value < bound),
        ("lte", lambda bound: value <= bound),
    )
    bound_values = ((bounds.integer(name), test) for name, test in tests)
    return all(test(bound) for bound, test in bound_values if bound is not None)


def _take(
    walk: Iterable[T], keep: Callable[[T], bool], limit: int
) -> tuple[list[T], bool]:
    found = list(islice(filter(keep, walk), limit + 1))
    return found[:limit], len(found) > limit
