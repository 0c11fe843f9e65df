"""Requests to the local Stripe whose answers the official SDK's types judge.

Each answer is compared with the type the SDK's method promises, and each parameter a
handler looks at is noted: one that it accepts and never looks at would be ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from tests.support.sdk_expandable import expandable
from tests.support.sdk_judge import method_of, name_of, unlike_the_sdk
from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe import LocalStripe, forms
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.operations import Call, Caller, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.running import run
from meterdeck.core.local_stripe.schema import (
    Either,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
    WordOr,
)

# Path and parameters of a request.
Asked: TypeAlias = tuple[str, Mapping[str, object]]


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
    # By operation that reads: paths of ids that `expand[]` may replace by objects, and
    # a request whose answer has one there.
    expandable: dict[str, dict[str, Asked]] = field(default_factory=dict)
    not_expanded: list[str] = field(default_factory=list)
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
        self._judge(operation, answer, (path, params))
        return answer

    def expand_everything(self) -> list[str]:
        """Ask again with every id expanded, and name those that could not be."""
        refused = []
        for name, paths in self.expandable.items():
            for expanded, (path, params) in list(paths.items()):
                try:
                    self("GET", path, **{**params, "expand": [expanded]})
                except LocalStripeRefusal as refusal:
                    refused.append(f"{name} {expanded}: {refusal}")
        return refused

    def _judge(
        self, operation: Operation, answer: dict[str, object], asked: Asked
    ) -> None:
        sdk = method_of(operation)
        if sdk is None:
            return
        type_ = sdk.answer_type()
        if operation.method == "GET":
            paths = expandable(answer, type_, sdk.module)
            self.expandable.setdefault(name_of(operation), {}).update(
                dict.fromkeys(paths, asked)
            )
        self.unlike += unlike_the_sdk(operation, answer)


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
        # `expand` is the server's business.
        if isinstance(kind, Unsupported) or name == "expand" or _one_choice(kind):
            continue
        if at not in seen:
            yield at
        inner = _group_of(kind)
        if inner is not None:
            below = f"{at}[]." if isinstance(kind, ListOf) else f"{at}."
            sent = below in seen
            yield from _unseen(inner, below, seen) if sent else (f"{below} (not sent)",)


def _one_choice(kind: Kind) -> bool:
    """Tell whether there is nothing to look at, as only one value passes."""
    if isinstance(kind, ListOf):
        return _one_choice(kind.kind)
    if isinstance(kind, WordOr):
        return _one_choice(kind.kind) and len(kind.words) == 1
    return isinstance(kind, Text) and len(kind.choices) == 1


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
