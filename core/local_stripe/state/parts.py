"""What of the account is kept, found by attribute, so that nothing is forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.state.hints import PLAIN
from meterdeck.core.local_stripe.state.part import Part
from meterdeck.core.local_stripe.state.row_parts import CollectionPart, DictPart
from meterdeck.core.local_stripe.state.value_parts import ListPart, ValuePart

NOT_KEPT: Mapping[str, str] = {
    "ids": "the account's own are kept; further ones are made of another seed",
    "usage": "kept event by event, in a table of its own",
    "panel": "what goes wrong is of one run",
    "keys._kept_for": "the same in every run",
    "keys_of_v2._kept_for": "the same in every run",
    "on_meter_event": "whoever listens says so in each run",
    "outbox": "made again of the deliveries",
    "events": "what it holds is kept",
    "events._ids": "the account's",
    "events._oldest_first": "the order of what is kept",
    "events.request": "of the request that is running",
    "pushes": "trouble on the way to webhooks is of one run",
    "reports": "what it holds is kept",
    "reports._ids": "the account's",
}
"""Attributes that are not kept by themselves, and why; nor is what can be called."""


def parts_of(holders: Mapping[str, object]) -> list[Part]:
    """Return what is kept of these objects, each by the name it has in the account.

    Raises:
        TypeError: An attribute is of no kind that can be kept, and NOT_KEPT does not
            name it.
    """
    return [part for prefix, each in holders.items() for part in _of(prefix, each)]


def _of(prefix: str, holder: object) -> Iterator[Part]:
    for attribute, value in vars(holder).items():
        name = f"{prefix}{attribute}"
        if name in NOT_KEPT or callable(value):
            continue
        if isinstance(value, Collection):
            yield CollectionPart(name, holder, attribute)
        elif isinstance(value, dict):
            yield DictPart(name, holder, attribute)
        elif isinstance(value, list):
            yield ListPart(name, holder, attribute)
        elif value is None or isinstance(value, (*PLAIN, deque)):
            yield ValuePart(name, holder, attribute)
        else:
            kind = type(value).__name__
            raise TypeError(f"{name} is a {kind}, which nothing keeps; see NOT_KEPT")
