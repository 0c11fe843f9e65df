"""A claimed event: looked at, sent, and how it is to be settled."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.delivery import Answer, Attempt, Claim, Settlement, Verdict
from meterdeck.core.model.periods import Period
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.sync.repeating import Complaints
from meterdeck.core.services.sync.verdicts import pause_s, send_until, verdict_of


class ClaimSending:
    """Sends events of counters, unless something is wrong with them."""

    def __init__(self, own: Equipment) -> None:
        self._own = own
        self._complaints = Complaints()

    async def sent(self, claim: Claim, period: Period) -> Settlement | None:
        """Send an event and return how it is to be settled; None: it is held back."""
        try:
            flush_s = self._own.context.resource(claim.counter.resource).flush_s
            held = await self._own.guard.check(claim, period, flush_s)
            if not claim.fresh:
                await self._own.witness.look_for([claim.event.timestamp])
        except MeterdeckError as error:
            # Nobody knows whether it may be sent: it is claimed again, by anybody.
            self._complaints.complain("claim_check", error)
            wait_s = self._own.lease_s
            return Settlement(claim, Verdict.LATER, attempts=0, again_after_s=wait_s)
        self._complaints.fine("claim_check")
        if held is not None and held.withdrawn:
            return None
        if doubt := self._own.witness.doubt_of_claim(claim):
            # A claim of an event that surely was not sent begins its day anew. What it
            # says of its own moment is never later than the first one.
            first = min(claim.claimed_at, claim.event.timestamp)
            claim = replace(claim, maybe_sent=True, claimed_at=first)
            if send_until(first) <= (now := self._own.now()):
                attempt = Attempt(Answer.UNKNOWN, now, doubt, "check_restored")
                return Settlement(claim, Verdict.AMBIGUOUS, attempt, attempts=0)
        delivery = await self._own.sender.deliver(
            claim.event, until=send_until(claim.claimed_at)
        )
        last = delivery.last
        verdict = verdict_of(delivery, maybe_sent=claim.maybe_sent)
        return Settlement(
            claim,
            verdict,
            last,
            attempts=len(delivery.attempts),
            again_after_s=pause_s(last) if verdict is Verdict.LATER else 0.0,
            earlier=tuple(delivery.attempts[:-1]),
        )
