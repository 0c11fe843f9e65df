"""The official SDK's typed parameters as a judge of the local Stripe's schemas.

Each parameter that the SDK can send is read with a value of its type, and with values
of other types: it must be accepted and refused accordingly, or refused by its name as
one that the local Stripe has not.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import stripe
import typing_extensions
from stripe._stripe_object import UntypedStripeObject
from tests.support.sdk_types import UNIONS, evaluated

from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.schema import (
    Either,
    Kind,
    ListOf,
    Section,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Raw

# How a client is set up for one call: not sent as parameters.
_OPTIONS = frozenset(stripe.RequestOptions.__annotations__)
_LITERALS = {Literal, typing_extensions.Literal}
_SAMPLES: dict[Any, tuple[Raw, ...]] = {
    # Also a currency, where there must be one.
    str: ("usd",),
    int: ("1",),
    bool: ("true", "false"),
    float: ("1.5",),
    Decimal: ("1.5", "0.000000000001"),
}
_NOT_SUPPORTED = "The local Stripe does not support the parameter"


def unlike(schema: Section, params: Any) -> list[str]:
    """Say where a request's schema and the SDK's TypedDict differ."""
    if params is None:
        return [f"{name}: the SDK sends nothing" for name in schema.fields]
    return list(_of_group(schema, params, ""))


def _of_group(ours: Section, theirs: Any, path: str) -> Iterator[str]:
    hints = {
        name: hint
        for name, hint in theirs.__annotations__.items()
        if path or name not in _OPTIONS
    }
    for name in sorted(hints.keys() | ours.fields.keys()):
        at = f"{path}[{name}]" if path else name
        if name not in ours.fields:
            yield f"{at}: would be called unknown"
        elif name not in hints:
            yield f"{at}: is not typed by {theirs.__name__}"
        else:
            yield from _of_field(ours.fields[name], hints[name], theirs.__module__, at)
            supported = not isinstance(ours.fields[name], Unsupported)
            if supported and name in ours.required and not _required(theirs, name):
                yield f"{at}: is demanded, but optional in {theirs.__name__}"
            if name not in ours.required and _required(theirs, name):
                yield f"{at}: is not demanded, but required in {theirs.__name__}"


def _required(theirs: Any, name: str) -> bool:
    return name in theirs.__required_keys__


def _of_field(kind: Kind, hint: Any, module: str, at: str) -> Iterator[str]:
    variants = list(_variants(hint, module))
    if isinstance(kind, Unsupported):
        sample = _sample(variants[0])
        if not _refusal(kind, sample, at).startswith(_NOT_SUPPORTED):
            yield f"{at}: {sample!r} is not refused as unsupported"
        return
    for each in variants:
        yield from _of_variant(kind, each, module, at)
    if not any(map(_takes_text, variants)) and not _refusal(kind, "n0 such", at):
        yield f"{at}: a text of no meaning is accepted"
    if not any(map(_takes_map, variants)) and not _refusal(kind, {"n0": "x"}, at):
        yield f"{at}: a group is accepted"
    never_empty = "" not in variants and not any(map(_may_be_empty, variants))
    if never_empty and not _refusal(kind, "", at):
        yield f"{at}: can be cleared, but not by the SDK's types"


def _of_variant(kind: Kind, type_: Any, module: str, at: str) -> Iterator[str]:
    if _is_group(type_):
        group = _group_of(kind)
        if group is None:
            yield f"{at}: {type_.__name__} is not read as a group"
        else:
            yield from _of_group(group, type_, at)
    elif get_origin(type_) is list:
        yield from _of_list(kind, get_args(type_)[0], module, at)
    elif get_origin(type_) in {dict, UntypedStripeObject} and _is_map_of_groups(
        type_, module
    ):
        item = evaluated(get_args(type_)[-1], module)
        yield from _of_field(kind.kind, item, module, f"{at}[key]")  # type: ignore[attr-defined]  # a map's
    else:
        for sample in _samples(type_):
            refusal = _refusal(kind, sample, at)
            named = isinstance(type_, str) and refusal.startswith(_NOT_SUPPORTED)
            if refusal and not named:
                yield f"{at}: {sample!r} is refused: {refusal}"


def _of_list(kind: Kind, item: Any, module: str, at: str) -> Iterator[str]:
    if not isinstance(kind, ListOf):
        yield f"{at}: is not read as a list"
        return
    yield from _of_field(kind.kind, item, module, f"{at}[0]")


def _variants(hint: Any, module: str) -> Iterator[Any]:
    """Give the types a parameter may have: texts of enums, and types."""
    hint = evaluated(hint, module)
    if get_origin(hint) is typing_extensions.NotRequired:
        hint = evaluated(get_args(hint)[0], module)
    parts = get_args(hint) if get_origin(hint) in UNIONS else (hint,)
    parts = tuple(evaluated(each, module) for each in parts)
    enums = [each for each in parts if get_origin(each) in _LITERALS]
    words = [word for each in enums for word in get_args(each)]
    yield from words
    for each in parts:
        # `Literal[…] | str` is an enum that is open for values of the future.
        is_open_enum = each is str and any(words)
        if get_origin(each) not in _LITERALS and not is_open_enum:
            yield each


def _samples(type_: Any) -> tuple[Raw, ...]:
    if isinstance(type_, str):
        return (type_,)
    if get_origin(type_) in {dict, UntypedStripeObject}:
        return ({"key": "usd"},)
    return _SAMPLES[type_]


def _sample(type_: Any) -> Raw:
    if isinstance(type_, str):
        return type_ or "x"
    if _is_group(type_):
        return {"x": "y"}
    return ["x"] if get_origin(type_) is list else _samples(type_)[0]


def _refusal(kind: Kind, raw: Raw, at: str) -> str:
    """Give the text of the refusal, empty when the value is accepted."""
    try:
        kind.read(raw, at)
    except LocalStripeRefusal as refusal:
        return refusal.message
    return ""


def _is_group(type_: Any) -> bool:
    return hasattr(type_, "__required_keys__")


def _is_map_of_groups(type_: Any, module: str) -> bool:
    return _is_group(evaluated(get_args(type_)[-1], module))


def _group_of(kind: Kind) -> Section | None:
    if isinstance(kind, Either):
        kind = kind.group
    return kind if isinstance(kind, Section) else None


def _takes_text(type_: Any) -> bool:
    return type_ is str


def _takes_map(type_: Any) -> bool:
    return _is_group(type_) or get_origin(type_) in {dict, UntypedStripeObject}


def _may_be_empty(type_: Any) -> bool:
    """Lists and groups sent empty are empty texts; texts are cleared in practice."""
    return type_ is str or get_origin(type_) is list or _takes_map(type_)
