"""A repair of drift that an operator has confirmed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meterdeck.core.model.changes import Actor
from meterdeck.core.services.reconcile.repair_plan import Step
from meterdeck.tui import phrases
from meterdeck.tui.requests import Target, new_operation_id

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine


@dataclass(frozen=True, slots=True)
class RepairDrift:
    """Carry a plan out; each step at most once, by an id of its own."""

    target: Target
    steps: tuple[Step, ...]
    reason: str
    operation_id: str = field(default_factory=new_operation_id)

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.drift().repair(self.steps, actor, self.reason)
        problems = [each.problem for each in done if each.problem]
        said = f"{phrases.counted(len(done) - len(problems), 'change')} made"
        return f"{said}; not all: {problems[0]}" if problems else said
