"""Bracketed forms (`items[0][price]=…`) as nested values, and back from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import parse_qsl

from meterdeck.core.local_stripe.refusals import invalid
from meterdeck.core.local_stripe.wire import Raw

_MOST_FIELDS = 2_000
_MOST_LEVELS = 20


def parse(text: str) -> dict[str, Raw]:
    """Read a form body or a query string.

    Raises:
        LocalStripeRefusal: The form is malformed, e.g. a name used as value and group.
    """
    root: dict[str, Raw] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise invalid(f"Invalid request body: {error}") from error
    for name, value in pairs:
        if "[" in name:
            _put(root, _segments(name), value, name)
        else:
            root[name] = value
    return root


def from_python(value: object) -> Raw:
    """Give the form values an SDK would send for Python values; None is left out."""
    if isinstance(value, Mapping):
        kept = {str(k): v for k, v in value.items() if v is not None}
        return {key: from_python(item) for key, item in kept.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [from_python(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _segments(name: str) -> list[str]:
    head, *rest = name.split("[")
    malformed = not head or any(not part.endswith("]") for part in rest)
    if malformed or len(rest) > _MOST_LEVELS:
        raise invalid(f"Invalid parameter name: {name[:100]}")
    return [head, *(part[:-1] for part in rest)]


def _put(node: dict[str, Raw], segments: list[str], value: str, name: str) -> None:
    key, *rest = segments
    if not rest:
        node[key] = value
        return
    if rest[0] == "":
        _append(_child_list(node, key, name), rest[1:], value, name)
        return
    child = node.setdefault(key, {})
    if not isinstance(child, dict):
        raise invalid(f"Invalid parameter name: {name} is used in two ways")
    _put(child, rest, value, name)


def _child_list(node: dict[str, Raw], key: str, name: str) -> list[Raw]:
    child = node.setdefault(key, [])
    if not isinstance(child, list):
        raise invalid(f"Invalid parameter name: {name} is used in two ways")
    return child


def _append(items: list[Raw], rest: list[str], value: str, name: str) -> None:
    """Add to `name[]`; `name[][key]` opens a new item when the key repeats."""
    if not rest:
        items.append(value)
        return
    last = items[-1] if items else None
    if not isinstance(last, dict) or rest[0] in last:
        last = {}
        items.append(last)
    _put(last, rest, value, name)
