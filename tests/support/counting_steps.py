"""Steps of the counting model: each does something, and says what the model expects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations, product
from pickle import dumps, loads
from typing import Any, Protocol

from tests.support.contexts import SEATS
from tests.support.counting_records import Answer, Call, Row, SettledAnswer
from tests.support.counting_world import CLIENTS, Unknown, World
from tests.support.operating_model import TENANT, Failure, Operating

from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.decisions import Decision, Settled
from meterdeck.core.model.usage import Limit, LimitSource

Wanted = tuple[tuple[str, int], ...]


def copied(model: Operating) -> Operating:
    """Return a copy that shares nothing; `copy.deepcopy` takes much longer."""
    copy: Operating = loads(dumps(model))  # noqa: S301  # our own
    return copy


class Step(Protocol):
    """Something that is done to the server and to the model."""

    async def run(self, world: World) -> None:
        """Do it, and compare."""


@dataclass(frozen=True)
class Consume:
    """Consume, or reserve for `hold_s`; the answer after `lose` answers is lost."""

    client: int
    wanted: Wanted
    call_id: str = ""
    hold_s: int = 0
    limits: Wanted = ()
    lose: int | None = None

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        client = world.clients[self.client]
        known = self.call_id in world.model.calls
        late = bool(client.late & self.kinds())
        before = copied(world.model) if late else world.model
        made = await world.insist(
            client,
            self.lose,
            lambda: self.send(world, self.client),
            again=(lambda: self.send(world, self.client + 1)) if self.call_id else None,
        )
        expected = self.expect(world.model)
        if isinstance(made, Unknown):
            await compare(world, [world.model, before] if late else [world.model])
            return
        assert told(made) == in_order(expected)
        if isinstance(made, Decision) and self.lose is None:
            assert made.replayed is known
        if not known:
            client.late -= self.kinds()
        elif late:
            self.expect(before, late=True)
            await compare(world, [world.model, before])
            return
        await compare(world, [world.model])

    def kinds(self) -> set[str]:
        """Return the kinds of periods it is counted in."""
        return {"cycle" if name == SEATS else "month" for name, _ in self.wanted}

    async def send(self, world: World, client: int) -> Any:
        """Make the call."""
        usage = world.clients[client % CLIENTS].usage
        wanted, limits = dict(self.wanted), dict(self.limits) or None
        if self.hold_s:
            ttl = timedelta(seconds=self.hold_s)
            return await outcome(
                usage.reserve(
                    TENANT, wanted, ttl=ttl, call_id=self.call_id, limits=limits
                )
            )
        call_id = self.call_id or None
        return await outcome(
            usage.consume(TENANT, wanted, call_id=call_id, limits=limits)
        )

    def expect(self, model: Operating, *, late: bool = False) -> Answer | Failure:
        """Do the same to the model."""
        return model.take(
            dict(self.wanted),
            self.call_id,
            hold_ms=self.hold_s * 1000,
            limits=dict(self.limits),
            late=late,
        )


@dataclass(frozen=True)
class Race:
    """Several calls at the same time: some order of them explains everything."""

    calls: tuple[Consume, ...]

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        made = await asyncio.gather(
            *(each.send(world, each.client) for each in self.calls)
        )
        explained = []
        orders = permutations(range(len(self.calls)))
        for order, late in product(orders, (False, True)):
            model = copied(world.model)
            expected = {at: self.calls[at].expect(model, late=late) for at in order}
            if all(told(made[at]) == in_order(expected[at]) for at in order):
                explained.append(model)
        assert explained, f"no order explains {made}"
        await compare(world, explained)


@dataclass(frozen=True)
class Settle:
    """Release a call or confirm a reservation.

    Attributes:
        which: The newest call that is known is 0; -1 is one that is not.
        part: Units of each resource; None for all.
        only: Name only the call's last resource.
    """

    client: int
    how: str
    which: int
    part: int | None = None
    only: bool = False
    lose: int | None = None

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        call_id = nth(world.model, self.which)
        given = self.given(world.model.calls.get(call_id))

        def send(client: int) -> Awaitable[Any]:
            work = getattr(world.clients[client % CLIENTS].usage, self.how)
            return outcome(work(TENANT, call_id, given))

        made = await world.insist(
            world.clients[self.client],
            self.lose,
            lambda: send(self.client),
            again=lambda: send(self.client + 1),
        )
        expected = world.model.settle(self.how, call_id, given)
        if isinstance(made, Settled):
            rows = [
                (each.resource, each.given_back, each.current)
                for each in made.resources
            ]
            assert isinstance(expected, SettledAnswer)
            assert sorted(rows) == sorted(expected.rows)
        else:
            assert made is expected, f"{made} instead of {expected}"
        await compare(world, [world.model])

    def given(self, call: Call | None) -> dict[str, int] | None:
        """Say how much of what."""
        if self.part is None:
            return None
        names = list(call.took) if call else []
        return dict.fromkeys(names[-1:] if self.only else names, self.part)


@dataclass(frozen=True)
class Again:
    """Repeat a call that is known."""

    client: int
    which: int
    lose: int | None = None

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        call_id = nth(world.model, self.which)
        if call := world.model.calls.get(call_id):
            hold_s = 60 if call.reservation else 0
            wanted = tuple(call.took.items())
            again = Consume(self.client, wanted, call_id, hold_s, (), self.lose)
            await again.run(world)


def nth(model: Operating, which: int) -> str:
    """Return the id of a known call, or of none."""
    known = list(model.calls)
    return known[-1 - which % len(known)] if known and which >= 0 else "nobody"


@dataclass(frozen=True)
class Look:
    """Peek, read the refusals, and verify the trail; nothing changes."""

    client: int

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        model, client = world.model, world.clients[self.client]
        for row in await client.usage.peek(TENANT):
            term = model.term(row.resource)
            limit, source = model.limit(row.resource, {})
            held = model.reservations.get(term.slot, {})
            reserved = sum(
                int(member.rpartition(":")[2])
                for member, ends in held.items()
                if ends > model.now
            )
            assert row.period.label == term.label
            assert (row.used, row.reserved) == (model.used(term.slot), reserved)
            assert words(row.limit) == (limit, source)
        records = await client.usage.refusals(TENANT)
        assert [
            (each.resource, each.reason, each.before, each.cost, str(each.limit))
            for each in records
        ] == [
            (f["resource"], f["reason"], int(f["before"]), int(f["cost"]), f["limit"])
            for _, f in reversed(model.refusals[-100:])
        ]
        assert await client.changes.verify_audit(TENANT) is None
        await compare(world, [model])


@dataclass(frozen=True)
class Sweep:
    """Give expired reservations back."""

    client: int
    lose: int | None = None

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        usage = world.clients[self.client].usage
        made = await world.insist(
            world.clients[self.client],
            self.lose,
            usage.give_back_expired,
            again=usage.give_back_expired,
        )
        units = world.model.sweep()
        assert made == units or self.lose is not None
        await compare(world, [world.model])


async def compare(world: World, models: list[Operating]) -> None:
    """Go on with the model that has what the server has."""
    wrong = []
    for model in models:
        found = await world.differences(model)
        if not found:
            world.accept(model, await world.last_number())
            return
        wrong.append(found)
    raise AssertionError("\nor\n".join(wrong))


async def outcome(work: Awaitable[Any]) -> Any:
    """Return what comes of it, or the kind of error; a lost answer is raised."""
    try:
        return await work
    except (BadInput, NotFound, Refused) as error:
        return type(error)


def words(limit: Limit) -> tuple[str, str]:
    """Return a limit and its source as the model has them."""
    if limit.source is LimitSource.NONE:
        return "none", "none"
    units = "unlimited" if limit.units is None else str(limit.units)
    return units, limit.source.value


def told(made: object) -> object:
    """Return what a caller is told, as the model says it."""
    if not isinstance(made, Decision):
        return made
    rows = []
    for each in made.resources:
        limit, source = words(each.limit)
        verdict = each.reason or each.beyond
        assert each.refused == (each.reason is not None)
        left = None if each.limit.units is None else each.limit.units - each.current
        assert each.remaining == (None if left is None else max(0, left))
        rows.append(
            Row(
                each.resource,
                each.period.label,
                each.current,
                limit,
                source,
                verdict.value if verdict else "0",
            )
        )
    return in_order(Answer(made.allowed, tuple(rows)))


def in_order(expected: Answer | Failure) -> object:
    """Return an answer with its rows by resource."""
    if not isinstance(expected, Answer):
        return expected
    rows = sorted(expected.rows, key=lambda row: row.resource)
    return Answer(expected.allowed, tuple(rows))
