"""A tenant on the command line whose use a worker brings to Stripe when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import redis
from tests.support.billing import Till, settled

from meterdeck.core.adapters.letter_fields import letter_of
from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.stripe_sinks import open_sink
from meterdeck.core.model.context import SinkKind
from meterdeck.core.model.delivery import (
    Answer,
    Attempt,
    Claim,
    EventState,
    NoClaim,
    Verdict,
)
from meterdeck.core.model.event_lines import line_fields, line_of
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.letters import Letters
from meterdeck.core.settings import load_context

if TYPE_CHECKING:
    from tests.integration.cli.conftest import CommandLine

T = TypeVar("T")


@dataclass(frozen=True)
class Shop:
    """Acme, a customer in Stripe, and a worker that bills it when told to."""

    cli: CommandLine
    store: redis.Redis
    customer: str

    def bill(self, units: int) -> Claim:
        """Count units, send them to Stripe, and account for the answer."""

        async def work(till: Till) -> Claim:
            await till.use(units)
            claim = await till.claim()
            assert till.context.stripe is not None
            sink = open_sink(
                SinkKind.V1, till.context.stripe, till.context.mode,
                at_once=1, meters=lambda name: None,
            )  # fmt: skip
            (attempt,) = await sink.send([claim.event])
            await sink.close()
            await till.settle(claim, attempt=attempt)
            return claim

        return self._with_till(work)

    def fail(self, units: int, verdict: Verdict, message: str = "no customer") -> str:
        """Count units, and settle their event as one that did not arrive."""

        async def work(till: Till) -> Claim:
            await till.use(units)
            claim = await till.claim()
            attempt = replace(settled(claim, verdict).attempt, message=message)  # type: ignore[type-var]  # it is one
            await till.settle(claim, verdict, attempt=attempt)
            return claim

        return self._with_till(work).event.identifier

    def refuse_late(self, units: int, reason: str) -> str:
        """Count units whose event Stripe accepts, and reports later as not counted."""

        async def work(till: Till) -> str:
            claim = await till.deliver(units)
            (line,) = await DeliveryLog(till.redis, till.context).latest(1)
            letter = letter_of(line, EventState.REFUSED, reason=reason)
            await Letters(till.redis, till.context).refuse_late(letter)
            return claim.event.identifier

        return self._with_till(work)

    def unsent(self) -> int:
        """Claim what would be sent now, and return its units; 0 for nothing."""

        async def work(till: Till) -> Claim | NoClaim:
            return await till.ask_for()

        found = self._with_till(work)
        return found.units if isinstance(found, Claim) else 0

    def age(self, claim: Claim, time: timedelta) -> None:
        """Have an event delivered so much earlier than it was."""
        at = datetime.now(UTC) - time
        attempt = Attempt(Answer.ACCEPTED, at)
        settlement = replace(settled(claim, Verdict.DELIVERED), attempt=attempt)
        self.store.xtrim("meterdeck:events", maxlen=0, approximate=False)
        fields: dict[Any, Any] = {
            **line_fields(line_of(settlement)),
            "first_sent_at": str(int(at.timestamp() * 1000)),
        }
        self.store.xadd("meterdeck:events", fields)

    def _with_till(self, work: Callable[[Till], Awaitable[T]]) -> T:
        context = load_context(config=self.cli.config, context="billed", flags={})

        async def run() -> T:
            client = open_redis(context.redis)
            till = await Till.open(client, context)
            till.wanted = replace(till.wanted, customer=self.customer)
            try:
                return await work(till)
            finally:
                await client.aclose()

        return asyncio.run(run())
