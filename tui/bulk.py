"""The change of many tenants' limits, as the console asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from meterdeck.core.errors import Refused
from meterdeck.core.model.bulk_override import BulkDone, BulkOrder
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.text import visible
from meterdeck.tui import phrases
from meterdeck.tui.requests import Sold, new_operation_id

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

REASONS_SAID = 2
"""Reasons in the notice of what could not be done."""


@dataclass(slots=True)
class BulkProgress:
    """How far a bulk change is; written by the engine's thread, read by the screen.

    Attributes:
        tried: Tenants that were dealt with.
        result: What came of it; None while it runs, and after an answer was lost.
    """

    total: int
    tried: int = 0
    result: BulkDone | None = None

    def count(self, tried: int) -> None:
        """Note how many were dealt with."""
        self.tried = tried


@dataclass(frozen=True, slots=True)
class BulkOverride:
    """Set or remove many overrides; asked again it does what is missing, once."""

    order: BulkOrder
    label: str
    progress: BulkProgress
    operation_id: str = field(default_factory=new_operation_id)

    @property
    def target(self) -> Sold:
        count = phrases.counted(len(self.order.limits), "override")
        return Sold(f"{count} · {visible(self.label, 30)}")

    async def perform(self, engine: Engine, actor: Actor) -> str:
        done = await engine.bulk.perform(
            self.order,
            actor=actor,
            operation_id=self.operation_id,
            progress=self.progress.count,
        )
        self.progress.result = done
        done_to = "removed" if self.order.remove else "set"
        said = f"{phrases.counted(len(done.done), 'override')} {done_to}"
        if done.failed:
            raise Refused(f"{said}, {_failures(done)}; they are still marked")
        return f"{said}; each can be undone from its tenant's audit trail"


def _failures(done: BulkDone) -> str:
    reasons = [f"{tenant}: {why}" for tenant, why in done.failed[:REASONS_SAID]]
    said = visible("; ".join(reasons), 240)
    more = len(done.failed) - len(reasons)
    return f"{len(done.failed):,} not ({said}{f'; and {more:,} more' if more else ''})"
