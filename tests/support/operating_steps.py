"""Steps of the counting model that operators make, and those of time and plans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.counting_steps import compare, outcome
from tests.support.counting_world import CLIENTS, Client, World
from tests.support.operating_model import (
    LAYOUT,
    TENANT,
    Change,
    Changed,
    Operating,
    actor,
    reason,
)

from meterdeck.core.model.changes import (
    Actor,
    Adjusted,
    AdjustKind,
    Adjustment,
    Bill,
    Override,
    Undone,
)
from meterdeck.core.model.usage import ResourceName, TenantId


@dataclass(frozen=True)
class Operate:
    """An operator's change.

    Attributes:
        saw: `any`, `right` or `wrong`: the value the operator saw.
        ends_s: Seconds until an override ends; None for never.
    """

    client: int
    kind: str
    resource: str
    amount: int = 0
    saw: str = "any"
    bill: Bill = Bill.QUOTA_ONLY
    ends_s: int | None = None
    lose: int | None = None

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        await change(world, self.client, self.wish(world.model), self.lose)

    def wish(self, model: Operating) -> Change:
        """Say what is asked for, in the model's words."""
        if self.kind == "override:clear":
            return Change(self.kind, self.resource)
        if self.kind == "override:set":
            ends = None if self.ends_s is None else model.now + self.ends_s * 1000
            units = "unlimited" if self.amount > 50 else str(self.amount)
            return Change(self.kind, self.resource, units, ends=ends)
        expected = None
        if self.saw != "any":
            used = model.used(model.term(self.resource).slot)
            expected = used + (self.saw == "wrong")
        amount = "0" if self.kind == "adjust:reset" else str(self.amount)
        return Change(self.kind, self.resource, amount, expected, self.bill)


@dataclass(frozen=True)
class Undo:
    """Take an earlier entry back."""

    client: int
    which: int
    lose: int | None = None

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        trail = world.model.trail
        if trail:
            entry_id, fields = trail[-1 - self.which % len(trail)]
            wish = Change("undo", fields["resource"], undoes=entry_id)
            await change(world, self.client, wish, self.lose)


@dataclass(frozen=True)
class Repeat:
    """Repeat an operation under its id; with `other`, ask for something else."""

    client: int
    which: int
    other: bool = False

    async def run(self, world: World) -> None:
        """Do it, and compare."""
        done = list(world.model.operations.items())
        if not done:
            return
        name, (wish, _, _) = done[-1 - self.which % len(done)]
        if self.other:
            wish = Change("adjust:add", wish.resource, "77", bill="quota_only")
        await change(world, self.client, wish, None, name)


@dataclass(frozen=True)
class NewPlan:
    """The directory learns of another plan, or another billing cycle."""

    fields: tuple[tuple[str, str], ...]

    async def run(self, world: World) -> None:
        """Do it."""
        model, key = world.model, LAYOUT.tenant(TENANT)
        async with world.direct.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            for name, value in self.fields:
                pipe.hset(key, name, value)
            await pipe.execute()
        model.plan = dict(self.fields)
        world.outdate()
        await world.settle_the_past()


@dataclass(frozen=True)
class Pass:
    """Time passes, by minutes; `noticed` by the clients, or they are late."""

    minutes: int
    noticed: bool

    async def run(self, world: World) -> None:
        """Do it."""
        await world.pass_time(self.minutes * 60_000, noticed=self.noticed)
        await world.settle_the_past()


@dataclass(frozen=True)
class Edge:
    """It is the last millisecond of a period, or if it is already, the first."""

    resource: str
    noticed: bool

    async def run(self, world: World) -> None:
        """Do it."""
        left = world.model.term(self.resource).end - world.model.now
        await world.pass_time(left - 1 if left > 1 else 1, noticed=self.noticed)
        await world.settle_the_past()


async def change(
    world: World, client: int, wish: Change, lose: int | None, name: str = ""
) -> None:
    """Make a change, and compare."""
    name = name or f"op-{world.number()}"

    def send(number: int) -> Callable[[], Awaitable[Any]]:
        return lambda: outcome(perform(world.clients[number % CLIENTS], wish, name))

    made = await world.insist(
        world.clients[client], lose, send(client), again=send(client + 1)
    )
    expected = world.model.change(wish, name)
    if isinstance(made, Adjusted | Undone):
        done = Changed(str(made.before), str(made.after), made.audit_id)
        assert done == expected, f"{done} instead of {expected}"
    elif isinstance(made, Override):
        assert isinstance(expected, Changed)
    else:
        assert made is expected, f"{made} instead of {expected}"
    await compare(world, [world.model])


async def perform(client: Client, wish: Change, operation_id: str) -> Any:
    """Ask the service for a change."""
    name, origin = actor(wish)
    signed = {
        "actor": Actor(name, origin),
        "reason": reason(wish),
        "operation_id": operation_id,
    }
    changes: Any = client.changes
    if wish.undoes:
        return await changes.undo(TENANT, wish.undoes, **signed)
    if wish.kind == "override:clear":
        return await changes.clear_override(TENANT, wish.resource, **signed)
    if wish.kind == "override:set":
        ends = None
        if wish.ends is not None:
            ends = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=wish.ends)
        units = None if wish.amount == "unlimited" else int(wish.amount)
        return await changes.set_override(
            TENANT, wish.resource, units, expires_at=ends, **signed
        )
    asked = Adjustment(
        TenantId(TENANT),
        ResourceName(wish.resource),
        AdjustKind(wish.kind.partition(":")[2]),
        int(wish.amount),
        wish.expected,
        Bill(wish.bill),
        reason(wish),
    )
    del signed["reason"]
    return await changes.adjust(asked, **signed)
