"""Requests to the local Stripe whose answers the official SDK's types judge.

Each answer is compared with the type the SDK's method promises, and each parameter a
handler looks at is noted: one that it accepts and never looks at would be ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.sdk_expandable import expandable
from tests.support.sdk_operations import SdkMethod, sdk_methods
from tests.support.sdk_types import differences
from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe import LocalStripe, forms
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.operations import Call, Caller, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.running import run
from meterdeck.core.local_stripe.schema import (
    Either,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.summaries import PLACEHOLDER

# Operations that no method of the SDK names, and the one whose answer each gives.
SAME_ANSWER_AS = {
    # What paging by an answer's own url asks for.
    ("GET", PLACEHOLDER): ("GET", "/v1/billing/meters/{}/event_summaries"),
}


def method_of(operation: Operation) -> SdkMethod | None:
    """Give the SDK's method that makes this request, None when it has none."""
    key = operation.method, operation.path
    return sdk_methods().get(SAME_ANSWER_AS.get(key, key))


def name_of(operation: Operation) -> str:
    """Give the method and the path."""
    return f"{operation.method} {operation.path}"


class _Noted(dict[str, object]):
    """Parameters' values; `seen` gets the path of each that is looked at."""

    def __init__(self, values: Mapping[str, object], path: str, seen: set[str]) -> None:
        super().__init__({k: _noted(v, f"{path}{k}", seen) for k, v in values.items()})
        self._path, self._seen = path, seen

    def get(self, key: str, default: object = None) -> Any:
        self._seen.add(self._path + key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._seen.add(f"{self._path}{key}")
        return super().__contains__(key)


def _noted(value: object, path: str, seen: set[str]) -> object:
    if isinstance(value, list):
        return [_noted(each, f"{path}[]", seen) for each in value]
    if not isinstance(value, Parameters):
        return value
    seen.add(f"{path}.")
    # The values are the parameters' own business; no reading of them would tell.
    return Parameters(_Noted(value._values, f"{path}.", seen), value.name)


@dataclass
class Guide:
    """Ask like `LocalStripe.call`, and write down what is unlike the SDK's types."""

    local: LocalStripe
    clock: Clock
    unlike: list[str] = field(default_factory=list)
    # What was looked at, by operation; `x.` says that the group `x` was sent.
    seen: dict[str, set[str]] = field(default_factory=dict)
    # Paths of ids that `expand[]` may replace by objects, by operation that reads.
    expandable: dict[str, set[str]] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **params: object) -> dict[str, Any]:
        """Give the answer of a request that must go well."""
        found = OPERATIONS.find(method, path)
        assert found is not None, f"{method} {path} is not answered"
        operation, ids = found
        seen = self.seen.setdefault(name_of(operation), set())

        def noted(world: Any, call: Call) -> dict[str, object]:
            sent = Parameters(_Noted(call.parameters._values, "", seen))
            return operation.handler(world, replace(call, parameters=sent))

        raw = forms.from_python(params)
        assert isinstance(raw, dict)
        caller = Caller("req_tour", None, "tour")
        spied = replace(operation, handler=noted)
        answer = run(self.local._world, spied, ids, raw, caller)
        self._judge(operation, answer)
        return answer

    def _judge(self, operation: Operation, answer: dict[str, object]) -> None:
        sdk = method_of(operation)
        if sdk is None:
            return
        type_ = sdk.answer_type()
        if operation.method == "GET":
            paths = expandable(answer, type_, sdk.module)
            self.expandable.setdefault(name_of(operation), set()).update(paths)
        wrong = [] if type_ is None else differences(answer, type_)
        if type_ is None and answer:
            wrong = [f"$: {answer} is not nothing"]
        self.unlike += [f"{name_of(operation)} {each}" for each in wrong]


def never_looked_at(guide: Guide) -> Iterator[str]:
    """Name the parameters that are accepted and that no handler asked for.

    Groups that the tour never sent are named, too: nobody knows about their fields.
    """
    for operation in OPERATIONS:
        seen = guide.seen.get(name_of(operation), set())
        for path in _unseen(operation.schema, "", seen):
            yield f"{name_of(operation)} {path}"


def _unseen(group: Section, path: str, seen: set[str]) -> Iterator[str]:
    for name, kind in group.fields.items():
        at = f"{path}{name}"
        # `expand` is the server's business, and a choice of one tells nothing.
        one_choice = isinstance(kind, Text) and len(kind.choices) == 1
        if isinstance(kind, Unsupported) or name == "expand" or one_choice:
            continue
        if at not in seen:
            yield at
        inner = _group_of(kind)
        if inner is not None:
            below = f"{at}[]." if isinstance(kind, ListOf) else f"{at}."
            sent = below in seen
            yield from _unseen(inner, below, seen) if sent else (f"{below} (not sent)",)


def _group_of(kind: Kind) -> Section | None:
    if isinstance(kind, Either):
        return _group_of(kind.group)
    if isinstance(kind, ListOf):
        return _group_of(kind.kind)
    return kind if isinstance(kind, Section) else None


def not_toured(guide: Guide) -> Iterator[str]:
    """Name the operations that were never called."""
    for operation in OPERATIONS:
        if name_of(operation) not in guide.seen:
            yield name_of(operation)
