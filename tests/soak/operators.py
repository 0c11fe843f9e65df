"""Operators who correct counters and set limits from the command line meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak.application import CALLS
from tests.soak.world import World

_BETWEEN_S = 5.0
_AGAIN_S = 0.5
_UNLIMITED = "unlimited"
_AWAY = 3
"""Exit code: a server did not answer; it is asked again by the same operation id."""


@dataclass
class Operators:
    """What they did.

    Attributes:
        done: How many changes, by what they were.
        changed: Units by which counters changed, by tenant and resource.
        unbilled: Those of them that the bill does not follow.
        refused: Answers that were neither done nor to be asked again.
        freed: Tenants that were asked to be unlimited once.
    """

    world: World
    tenants: Sequence[str]
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    unbilled: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    freed: set[str] = field(default_factory=set)
    stopping: bool = False

    async def run(self) -> None:
        """Change something every few seconds, until told to stop."""
        chance = random.Random(f"operators {self.seed}")  # noqa: S311  # no secret
        number = 0
        while not self.stopping:
            await asyncio.sleep(chance.uniform(0, 2 * _BETWEEN_S))
            number += 1
            operation = f"soak-{self.seed}-{number}"
            tenant = chance.choice(self.tenants)
            if chance.random() < 0.7:
                await self._adjust(tenant, chance, operation)
            else:
                await self._override(tenant, chance, operation)

    async def _adjust(self, tenant: str, chance: random.Random, operation: str) -> None:
        bill = chance.choice(["quota-only", "quota-and-bill"])
        amount = f"+{chance.randint(1, 50)}"
        words = ("adjust", tenant, CALLS, amount, f"--bill={bill}")
        answer = await self._do(operation, *words)
        if answer is None:
            return
        self.done[f"adjust, {bill}"] += 1
        difference = int(answer["after"]) - int(answer["before"])
        self.changed[tenant, CALLS] += difference
        self.unbilled[tenant, CALLS] += difference if bill == "quota-only" else 0
        if chance.random() < 0.3:
            undo = ("undo", tenant, str(answer["audit_id"]))
            if await self._do(f"{operation}-undo", *undo) is not None:
                self.done["undo"] += 1
                self.changed[tenant, CALLS] -= difference
                self.unbilled[tenant, CALLS] -= (
                    difference if bill == "quota-only" else 0
                )

    async def _override(
        self, tenant: str, chance: random.Random, operation: str
    ) -> None:
        limit = chance.choice(["x1.5", _UNLIMITED, "2000"])
        if limit == "x1.5" and tenant in self.freed:
            limit = "2000"  # nothing is no limit times one and a half
        if limit == _UNLIMITED:
            self.freed.add(tenant)
        words = ("override", "set", tenant, CALLS, limit, "--until=2h")
        if await self._do(operation, *words) is not None:
            self.done["override set"] += 1

    async def _do(self, operation: str, *words: str) -> dict[str, Any] | None:
        """Do something once, however often it takes to hear of it."""
        more = ("--reason=soak", "--yes", "--json", f"--operation-id={operation}")
        while True:
            code, out = await run(self.world, *words, *more)
            if code == _AWAY:
                self.repeated += 1
                await asyncio.sleep(_AGAIN_S)
                continue
            if code == 0:
                found: dict[str, Any] = json.loads(out)
                return found
            self.refused.append(f"{' '.join(words)}: {code}: {out[-300:]}")
            return None


async def run(world: World, *words: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed, or why it did not."""
    process = await asyncio.create_subprocess_exec(
        *world.command(*words),
        env=world.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    return process.returncode or 0, (out or said).decode(errors="replace")
