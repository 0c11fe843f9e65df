"""Answers of the real Stripe that somebody published, and how ours differ from them.

`_kind` tells what one is worth: `recorded` came over the wire, `docs_example` was
written for a page of the documentation, in an order of its own.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# `cus_…`, `sub_1…`, `mtr_test_61…`: what the account has, made by Stripe.
_ID = re.compile(
    r"((?:cus|prod|si)_|(?:sub|price|evt|in)_1|[a-z]+_test_6\d|req_|acct_1)(\w+)"
)
# Of the connection and of Stripe's own machinery, not of the API.
_NOT_OURS = {
    "connection",
    "content-length",
    "x-stripe-c-cost",
    "x-stripe-priority-routing-enabled",
    "x-stripe-routing-context-priority-tier",
    "x-wc",
}


@dataclass(frozen=True)
class Recording:
    """One published answer; status and headers are unknown for a mere body."""

    name: str
    kind: str
    source: str
    body: dict[str, Any]
    status: int | None
    headers: Mapping[str, str] | None
    # The body of the request, or its query, where it was published.
    asked: str


def load(folder: Path, name: str) -> Recording:
    """Read a published answer."""
    found = json.loads((folder / f"{name}.json").read_text())
    request = found.get("request", {})
    query = request.get("uri", "").partition("?")[2]
    return Recording(
        name=name,
        kind=found["_kind"],
        source=found["_source"],
        body=found["body"],
        status=found.get("status"),
        headers=found.get("headers"),
        asked=request.get("body") or query,
    )


def header_differences(recording: Recording, ours: Mapping[str, str]) -> Iterator[str]:
    """Name the headers that only one of the two answers has."""
    if recording.headers is None:
        return
    theirs = {name.lower() for name in recording.headers} - _NOT_OURS
    mine = {name.lower() for name in ours} - _NOT_OURS
    yield from (f"header {name}: only recorded" for name in sorted(theirs - mine))
    yield from (f"header {name}: only ours" for name in sorted(mine - theirs))


def differences(recording: Recording, ours: object) -> Iterator[str]:
    """Say by path what of our body is unlike the published one.

    The order of keys and the shapes of ids are compared with what was recorded; pages
    of the documentation have their own.
    """
    is_wire = recording.kind == "recorded"
    yield from _differences(recording.body, ours, "$", is_wire)


def _differences(theirs: Any, ours: Any, at: str, is_wire: bool) -> Iterator[str]:
    if _type(theirs) != _type(ours):
        yield f"{at}: {_type(theirs)} recorded, {_type(ours)} ours"
    elif isinstance(theirs, dict):
        yield from _of_groups(theirs, ours, at, is_wire)
    elif isinstance(theirs, str):
        shapes = _shape(theirs), _shape(ours)
        if is_wire and all(shapes) and shapes[0] != shapes[1]:
            yield f"{at}: id of {shapes[0]} recorded, {shapes[1]} ours"
    elif isinstance(theirs, list):
        if bool(theirs) != bool(ours):
            yield f"{at}: {len(theirs)} recorded, {len(ours)} ours"
        elif theirs:
            yield from _differences(theirs[0], ours[0], f"{at}[]", is_wire)


def _of_groups(
    theirs: dict[str, Any], ours: dict[str, Any], at: str, is_wire: bool
) -> Iterator[str]:
    for name in [*theirs, *(key for key in ours if key not in theirs)]:
        if name not in ours:
            yield f"{at}.{name}: only recorded"
        elif name not in theirs:
            yield f"{at}.{name}: only ours"
        else:
            yield from _differences(theirs[name], ours[name], f"{at}.{name}", is_wire)
    shared = [name for name in theirs if name in ours]
    if is_wire and shared != [name for name in ours if name in theirs]:
        yield f"{at}: the keys have another order"


def _shape(text: str) -> str:
    """Give an id's prefix and length; empty for what is no id."""
    found = _ID.fullmatch(text)
    return f"{found[1]} and {len(found[2])}" if found else ""


def _type(value: object) -> str:
    return "null" if value is None else type(value).__name__
