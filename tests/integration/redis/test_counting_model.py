"""Counting against a plain model: any sequence of calls, the same state after each."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.support.contexts import CALLS, IMAGES, redis_context
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.errors import NotFound, Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
T = TypeVar("T")
ACTOR = Actor("ada", "local")
HOUR = timedelta(hours=1)

clients = st.integers(0, 1)
ids = st.sampled_from(["a", "b", "c"])
units = st.sampled_from([1, 2, 3, 5, 9, 11])
amounts = st.one_of(
    st.fixed_dictionaries({CALLS: units}),
    st.fixed_dictionaries({CALLS: units, IMAGES: units}),
)


def named(wanted: dict[ResourceName, int]) -> dict[str, int]:
    """Return amounts with the names as a caller writes them."""
    return {str(name): size for name, size in wanted.items()}


@dataclass
class Taken:
    """What the model knows of an id."""

    request: tuple[bool, dict[ResourceName, int]]
    allowed: bool
    settled: tuple[str, dict[ResourceName, int]] | None = None
    expired: bool = False


@dataclass
class Model:
    """The rules in a few lines; `held` are reservations that still may expire."""

    used: dict[ResourceName, int] = field(default_factory=lambda: {CALLS: 0, IMAGES: 0})
    limits: dict[ResourceName, int] = field(
        default_factory=lambda: {CALLS: 1000, IMAGES: 10}
    )
    calls: dict[str, Taken] = field(default_factory=dict)
    refusals: int = 0

    def take(
        self, wanted: dict[ResourceName, int], call_id: str, *, reserve: bool
    ) -> bool | None:
        """Return whether it is allowed; None for an id of something else."""
        known = self.calls.get(call_id)
        if known is not None:
            return known.allowed if known.request == (reserve, wanted) else None
        over = [n for n, u in wanted.items() if self.used[n] + u > self.limits[n]]
        self.refusals += len(over)
        if not over:
            for name, size in wanted.items():
                self.used[name] += size
        if call_id:
            self.calls[call_id] = Taken((reserve, wanted), not over)
        return not over

    def settle(
        self, how: str, call_id: str, part: int | None
    ) -> type[Exception] | None:
        """Do it, or return the error it gets."""
        call = self.calls.get(call_id)
        if call is None or not call.allowed:
            return NotFound
        reserved, took = call.request
        if how == "confirm" and not reserved:
            return Refused
        back = {name: self._back(how, name, took[name], part) for name in took}
        if call.settled is not None:
            return None if call.settled == (how, back) else Refused
        if reserved and call.expired:
            return NotFound
        call.settled = (how, back)
        for name, size in back.items():
            self.used[name] -= min(size, max(0, self.used[name]))
        return None

    def _back(self, how: str, name: ResourceName, took: int, part: int | None) -> int:
        if part is None or name != CALLS:
            whole = part is None and how == "release"
            return took if whole else 0
        return min(part, took) if how == "release" else took - min(part, took)

    def expire(self) -> None:
        """End every reservation that was not settled."""
        back = {CALLS: 0, IMAGES: 0}
        for call in self.calls.values():
            if call.request[0] and call.allowed and not (call.settled or call.expired):
                call.expired = True
                for name, size in call.request[1].items():
                    back[name] += size
        for name, size in back.items():
            self.used[name] -= min(size, max(0, self.used[name]))


class Counting(RuleBasedStateMachine):
    """Two clients of one server, and the model beside them."""

    url = ""
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        context = redis_context(self.url)
        self.redis: list[Redis] = [open_redis(context.redis) for _ in range(2)]
        self.usage = [UsageService(each, context) for each in self.redis]
        self.changes = OperatorChanges(self.redis[0], context)
        self.model = Model()
        self.operations = 0
        self.run(self._empty())
        now = self.run(server_time(self.redis[0]))
        self.label = calendar_month(now).label

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one step to its end."""
        return self.loop.run_until_complete(work)

    async def _empty(self) -> None:
        await self.redis[0].flushall()

    @rule(client=clients, wanted=amounts, call_id=st.one_of(st.just(""), ids))
    def consume(
        self, client: int, wanted: dict[ResourceName, int], call_id: str
    ) -> None:
        """Count, with or without an id."""
        expected = self.model.take(wanted, call_id, reserve=False)
        try:
            work = self.usage[client].consume(
                "acme", named(wanted), call_id=call_id or None
            )
            made: bool | None = self.run(work).allowed
        except Refused:
            made = None
        assert made is expected

    @rule(client=clients, wanted=amounts, call_id=ids)
    def reserve(
        self, client: int, wanted: dict[ResourceName, int], call_id: str
    ) -> None:
        """Count until further notice."""
        expected = self.model.take(wanted, call_id, reserve=True)
        try:
            work = self.usage[client].reserve(
                "acme", named(wanted), ttl=HOUR, call_id=call_id
            )
            made: bool | None = self.run(work).allowed
        except Refused:
            made = None
        assert made is expected

    @rule(
        client=clients,
        how=st.sampled_from(["release", "confirm"]),
        call_id=ids,
        part=st.sampled_from([None, None, 0, 1, 4, 50]),
    )
    def settle(self, client: int, how: str, call_id: str, part: int | None) -> None:
        """Release or confirm, whole or in part."""
        expected = self.model.settle(how, call_id, part)
        given = None if part is None else {CALLS: part}
        try:
            self.run(getattr(self.usage[client], how)("acme", call_id, given))
            error: type[Exception] | None = None
        except (NotFound, Refused) as raised:
            error = type(raised)
        assert error is expected

    @precondition(
        lambda self: any(call.request[0] for call in self.model.calls.values())
    )
    @rule(sweep=st.booleans())
    def expire(self, sweep: bool) -> None:
        """Let all reservations be over; what gives them back is a sweep or a call."""
        self.model.expire()
        self.run(self._expire())
        if sweep:
            self.run(self.usage[0].give_back_expired())

    async def _expire(self) -> None:
        redis = self.redis[0]
        for name in (CALLS, IMAGES):
            key = LAYOUT.reserved("acme", name, self.label)
            for member in await ask(redis, "ZRANGE", key, 0, -1):
                await redis.zadd(key, {member: 1})
                counter = LAYOUT.counter("acme", name, self.label)
                await redis.zadd(LAYOUT.reserving(), {counter: 1})

    @rule(kind=st.sampled_from([AdjustKind.ADD, AdjustKind.SET]), size=units)
    def adjust(self, kind: AdjustKind, size: int) -> None:
        """An operator changes the counter; what expired is given back before."""
        self.run(self.usage[0].give_back_expired())
        self.operations += 1
        adjustment = Adjustment(
            TenantId("acme"), CALLS, kind, size, None, Bill.QUOTA_ONLY, "model"
        )
        self.run(
            self.changes.adjust(
                adjustment, actor=ACTOR, operation_id=f"op-{self.operations}"
            )
        )
        before = self.model.used[CALLS]
        self.model.used[CALLS] = size if kind is AdjustKind.SET else before + size

    @rule(limit=st.sampled_from([0, 5, 12, 40]))
    def override(self, limit: int) -> None:
        """An operator gives another limit."""
        self.operations += 1
        self.run(
            self.changes.set_override(
                "acme",
                CALLS,
                limit,
                expires_at=None,
                actor=ACTOR,
                reason="model",
                operation_id=f"op-{self.operations}",
            )
        )
        self.model.limits[CALLS] = limit

    def check_invariants(self, *args: Any, **kwargs: Any) -> None:
        """Compare the server's state with the model's, after every step."""
        super().check_invariants(*args, **kwargs)
        rows = {each.resource: each for each in self.run(self.usage[1].peek("acme"))}
        for name, used in self.model.used.items():
            assert rows[name].used == used, name
            assert rows[name].limit.units == self.model.limits[name]
            assert rows[name].reserved == sum(
                call.request[1].get(name, 0)
                for call in self.model.calls.values()
                if call.request[0]
                and call.allowed
                and not (call.settled or call.expired)
            )
        records = self.run(self.usage[0].refusals("acme"))
        # Of one second, 32 are kept.
        assert min(self.model.refusals, 32) <= len(records) <= self.model.refusals

    def teardown(self) -> None:
        """Close both clients."""
        for each in self.redis:
            self.run(each.aclose())


@pytest.mark.parametrize("kind", ["valkey_server", "redis7_server"])
def test_every_sequence_of_calls_leaves_what_the_model_has(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Consume, reserve, confirm, release, expire, adjust, override and peek, by two
    clients with repeated ids."""
    server: Valkey = request.getfixturevalue(kind)
    loop = asyncio.new_event_loop()
    machine = type("Machine", (Counting,), {"url": server.url, "loop": loop})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.close()
