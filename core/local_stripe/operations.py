"""What a request asks for: the operation, its schema, and who asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.schema import Section
from meterdeck.core.local_stripe.wire import Json, Raw
from meterdeck.core.local_stripe.world import World


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by what the request's headers say."""

    request_id: str
    idempotency_key: str | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose parameters were read by its operation's schema."""

    parameters: Parameters
    path_ids: tuple[str, ...]
    caller: Caller

    @property
    def id(self) -> str:
        """Give the id in the path."""
        return self.path_ids[0]


Handler: TypeAlias = Callable[[World, Call], Json]
OnRefusal: TypeAlias = Callable[
    [World, Mapping[str, Raw], Caller, LocalStripeRefusal], None
]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and a path; `{}` stands for an id."""

    method: str
    path: str
    handler: Handler
    schema: Section = field(default_factory=lambda: Section({}))
    # Told of every refusal of this operation, by its schema or by its handler.
    on_refusal: OnRefusal | None = None
    # Authorised by a meter event session's token instead of the API key.
    by_session: bool = False

    @property
    def is_v2(self) -> bool:
        """Tell whether it speaks JSON and v2's errors."""
        return self.path.startswith("/v2/")

    def run(
        self,
        world: World,
        path_ids: tuple[str, ...],
        raw: Mapping[str, Raw],
        caller: Caller,
    ) -> Json:
        """Read the parameters and answer.

        Raises:
            LocalStripeRefusal: The answer is an error.
        """
        world.events.request = (caller.request_id, caller.idempotency_key)
        try:
            parameters = self.schema.parameters(raw)
            return self.handler(world, Call(parameters, path_ids, caller))
        except LocalStripeRefusal as refusal:
            if self.on_refusal is not None:
                self.on_refusal(world, raw, caller, refusal)
            raise
        finally:
            world.events.request = None


class Operations:
    """Find the operation of a request; literal paths win over ids."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._literal: dict[tuple[str, str], Operation] = {}
        self._patterns: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
        for each in operations:
            if "{}" not in each.path:
                self._literal[each.method, each.path] = each
                continue
            parts = each.path.split("/")
            same = self._patterns.setdefault((each.method, len(parts)), [])
            same.append((parts, each))

    def __iter__(self) -> Iterator[Operation]:
        yield from self._literal.values()
        for same in self._patterns.values():
            yield from (operation for _, operation in same)

    def find(self, method: str, path: str) -> tuple[Operation, tuple[str, ...]] | None:
        """Give the operation and the ids in the path, None for an unknown URL."""
        literal = self._literal.get((method, path))
        if literal is not None:
            return literal, ()
        parts = path.split("/")
        for pattern, operation in self._patterns.get((method, len(parts)), ()):
            ids = _matched(pattern, parts)
            if ids is not None:
                return operation, ids
        return None


def _matched(pattern: list[str], parts: list[str]) -> tuple[str, ...] | None:
    ids = []
    for expected, part in zip(pattern, parts, strict=True):
        if expected == "{}" and part:
            ids.append(part)
        elif expected != part:
            return None
    return tuple(ids)
