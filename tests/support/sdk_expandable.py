"""Which ids of an answer the official SDK types as expandable."""

from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin

from stripe import StripeObject
from tests.support.sdk_types import UNIONS, evaluated, fields_of


def expandable(value: object, type_: Any, module: str = "") -> set[str]:
    """Give the paths, as `expand[]` takes them, of ids that stand for objects."""
    return set(_paths(value, type_, module, ()))


def _paths(
    value: object, type_: Any, module: str, at: tuple[str, ...], item: Any = None
) -> Iterator[str]:
    type_ = evaluated(type_, module)
    if isinstance(type_, TypeVar):
        type_ = item
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in UNIONS:
        variants = [evaluated(each, module) for each in arguments]
        if isinstance(value, str) and any(map(_is_object, variants)):
            yield ".".join(at)
        for each in variants:
            yield from _paths(value, each, module, at, item)
    elif origin is list and isinstance(value, list):
        for each in value:
            yield from _paths(each, arguments[0], module, at, item)
    elif _is_object(origin) and isinstance(value, dict):
        yield from _of_object(value, origin, module, at, arguments[0])
    elif _is_object(type_) and isinstance(value, dict):
        yield from _of_object(value, type_, module, at, None)


def _of_object(
    value: dict[str, object], cls: Any, module: str, at: tuple[str, ...], item: Any
) -> Iterator[str]:
    for name, (annotation, origin) in fields_of(cls).items():
        where = module if item is not None and name == "data" else origin
        yield from _paths(value.get(name), annotation, where, (*at, name), item)


def _is_object(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, StripeObject)
