"""The official Python SDK's typed classes as a judge of JSON answers.

The classes are generated from Stripe's OpenAPI file. What they say is taken at its
word: a field that is not Optional must be there and not null, an enum knows its values
(the SDK types it open, `Literal[…] | str`, for values of the future), amounts in
`*_decimal` are strings on the wire, and a key that no class types is not Stripe's.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module
from types import GenericAlias, NoneType, UnionType
from typing import (
    Any,
    ForwardRef,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import typing_extensions
from stripe import StripeObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import UntypedStripeObject
from stripe.events._event_classes import get_v2_event_class

UNIONS = (Union, UnionType)


class Names(dict[str, Any]):
    """What a module's annotations may name, also what it only imports for checkers."""

    def __init__(self, module: str) -> None:
        loaded = sys.modules.get(module) or import_module(module)
        super().__init__(vars(loaded))
        self._for_checkers = _imported_for_checkers(module)

    def __missing__(self, name: str) -> Any:
        module, original = self._for_checkers[name]
        value = getattr(import_module(module), original)
        self[name] = value
        return value


@cache
def names_of(module: str) -> Names:
    """Give the names of a module, read once."""
    return Names(module)


@cache
def evaluated(annotation: Any, module: str) -> Any:
    """Give the type an annotation stands for, its quoted names resolved."""
    while isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        # The text is the SDK's own.
        annotation = eval(text, {}, names_of(module))  # noqa: S307
    return annotation


@cache
def fields_of(cls: type) -> dict[str, tuple[Any, str]]:
    """Give the fields of a resource class: annotation and module, by name."""
    fields: dict[str, tuple[Any, str]] = {}
    for each in reversed(cls.__mro__):
        if not issubclass(each, StripeObject) or each is StripeObject:
            continue
        for name, annotation in inspect.get_annotations(each).items():
            is_constant = str(annotation).startswith("typing.ClassVar")
            if not name.startswith("_") and not is_constant:
                fields[name] = annotation, each.__module__
    return fields


def differences(
    value: object, type_: Any, module: str = "", at: str = "$"
) -> list[str]:
    """Say what of a JSON value the SDK's type does not allow; empty when all fits."""
    return list(_differences(value, evaluated(type_, module), module, at))


def _differences(value: object, type_: Any, module: str, at: str) -> Iterator[str]:
    type_, origin, arguments = _taken_apart(type_, module)
    if type(value) is type_:
        return
    if origin in UNIONS:
        yield from _of_union(value, arguments, module, at)
    elif origin in {Literal, typing_extensions.Literal}:
        if value not in arguments:
            yield f"{at}: {value!r} is none of {', '.join(map(str, arguments))}"
    elif origin is list:
        yield from _of_list(value, arguments[0], module, at)
    elif origin in {dict, UntypedStripeObject}:
        yield from _of_map(value, arguments[-1], module, at)
    elif origin is not None and issubclass(origin, StripeObject):
        yield from _of_object(value, origin, module, at, arguments[0])
    elif type_ is Any:
        yield from _of_anything(value, at)
    elif isinstance(type_, type) and issubclass(type_, StripeObject):
        yield from _of_object(value, type_, module, at)
    elif not _is_plain(value, type_):
        yield f"{at}: {value!r} is no {getattr(type_, '__name__', type_)}"


@cache
def _taken_apart(type_: Any, module: str) -> tuple[Any, Any, tuple[Any, ...]]:
    known = evaluated(type_, module)
    return known, get_origin(known), get_args(known)


def _of_union(
    value: object, variants: tuple[Any, ...], module: str, at: str
) -> Iterator[str]:
    """Take the variant that fits; an open enum's `str` does not count as one."""
    variants = _flat(variants, module)
    if value is None and NoneType in variants:
        return
    literals = [each for each in variants if _is_literal(each)]
    if literals and isinstance(value, str):
        variants = tuple(each for each in variants if each is not str)
    tried = [
        list(_differences(value, each, module, at))
        for each in variants
        if each is not NoneType and _same_kind(value, each, module)
    ]
    if not tried:
        yield f"{at}: {_shown(value)} is none of the types {variants}"
    elif [] not in tried:
        yield from min(tried, key=len)


@cache
def _flat(variants: tuple[Any, ...], module: str) -> tuple[Any, ...]:
    flat: list[Any] = []
    for each in variants:
        known, origin, arguments = _taken_apart(each, module)
        flat += _flat(arguments, module) if origin in UNIONS else [known]
    return tuple(flat)


def _is_literal(type_: Any) -> bool:
    return get_origin(type_) in {Literal, typing_extensions.Literal}


def _same_kind(value: object, type_: Any, module: str) -> bool:
    """Tell whether a variant is meant: an object's by its `object`, if it has one."""
    origin = get_origin(type_) or type_
    if not isinstance(value, dict):
        is_object = isinstance(origin, type) and issubclass(origin, StripeObject)
        return not is_object
    if origin is dict:
        return True
    if not isinstance(origin, type) or not issubclass(origin, StripeObject):
        return False
    cls: type = origin
    named = fields_of(cls).get("object")
    return named is None or not differences(value.get("object"), *named)


def _of_list(value: object, item: Any, module: str, at: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{at}: {_shown(value)} is no list"
        return
    for number, each in enumerate(value):
        yield from _differences(each, item, module, f"{at}[{number}]")


def _of_map(value: object, item: Any, module: str, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: {_shown(value)} is no map"
        return
    if item is Any and value.get("object") in OBJECT_CLASSES:
        yield from _of_anything(value, at)
        return
    for key, each in value.items():
        yield from _differences(each, item, module, f"{at}.{key}")


def _of_anything(value: object, at: str) -> Iterator[str]:
    """Judge what is untyped by its `object`, such as an event's snapshot."""
    if isinstance(value, dict) and value.get("object") in OBJECT_CLASSES:
        yield from _of_object(value, class_named(str(value["object"])), "", at)


def class_named(name: str) -> type[StripeObject]:
    """Give the class of a v1 object by its `object`."""
    module, attribute = OBJECT_CLASSES[name]
    found: type[StripeObject] = getattr(import_module(module), attribute)
    return found


def _of_object(
    value: object, cls: type, module: str, at: str, item: Any = None
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: {_shown(value)} is no {cls.__name__}"
        return
    if value.get("object") == "v2.core.event":
        cls = get_v2_event_class(value["type"])
    if value.get("deleted") is True:
        yield from _of_deleted(value, cls, at)
        return
    fields = fields_of(cls)
    for name, (annotation, origin) in fields.items():
        if name in value:
            # A generic list's items are named where it was used, not where it is made.
            where = module if item is not None and name == "data" else origin
            known = _with_item(annotation, item)
            yield from _differences(value[name], known, where, f"{at}.{name}")
        elif not _is_optional(evaluated(annotation, origin)):
            yield f"{at}.{name}: is missing from {cls.__name__}"
    for name in value:
        if name not in fields and not (name == "object" and _is_list(cls)):
            yield f"{at}.{name}: is not typed by {cls.__name__}"


def _of_deleted(value: Mapping[str, object], cls: type, at: str) -> Iterator[str]:
    """A deleted object is its id, its kind and that it is deleted."""
    if "deleted" not in fields_of(cls):
        yield f"{at}.deleted: is not typed by {cls.__name__}"
    for name, (annotation, origin) in fields_of(cls).items():
        if name in value:
            yield from _differences(value[name], annotation, origin, f"{at}.{name}")
    if value.keys() != {"id", "object", "deleted"}:
        yield f"{at}: a deleted object has {sorted(value)}"


@cache
def _with_item(annotation: Any, item: Any) -> Any:
    is_generic = any(isinstance(each, TypeVar) for each in get_args(annotation))
    if not is_generic:
        return annotation
    return GenericAlias(list, (Any if item is None else item,))


def _is_list(cls: type) -> bool:
    return "has_more" in fields_of(cls)


def _is_optional(type_: Any) -> bool:
    return get_origin(type_) in UNIONS and NoneType in get_args(type_)


def _is_plain(value: object, type_: Any) -> bool:
    if type_ is Decimal:
        return isinstance(value, str) and _is_decimal(value)
    if type_ is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type_


def _is_decimal(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _imported_for_checkers(module: str) -> dict[str, tuple[str, str]]:
    """Find `if TYPE_CHECKING:` imports: local name to module and original name."""
    source = inspect.getsource(sys.modules[module])
    found: dict[str, tuple[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.If):
            for each in ast.walk(node):
                if isinstance(each, ast.ImportFrom) and each.module:
                    for alias in each.names:
                        local = alias.asname or alias.name
                        found[local] = each.module, alias.name
    return found
