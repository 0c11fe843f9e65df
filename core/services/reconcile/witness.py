"""Stripe as a witness: whether Redis has forgotten that something was sent.

A backup that was put back waits to bill units that were billed after it was taken, and
nothing in it says so. Stripe has them: more than this Redis ever sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import NotFound, Refused, Unreachable
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Claim
from meterdeck.core.model.drift import LastPass
from meterdeck.core.model.periods import Period
from meterdeck.core.model.reconciliation import SUMMARY_LAG, Cause, Finding
from meterdeck.core.model.usage import CounterId, Tenant, TenantId
from meterdeck.core.model.wording import minute
from meterdeck.core.services.reconcile.kept_pass import KeptPass
from meterdeck.core.services.reconcile.lives import Life
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.subjects import Subject, is_reconciled
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.verdicts import send_until

_MINUTE = timedelta(minutes=1)


class Witness:
    """Asks Stripe before a counter is billed, while Redis may be older than it was.

    Each counter is asked for once; what was more before, too, is somebody else's. While
    nothing is in doubt, nobody is asked.

    Args:
        tenant: Returns who has that id; None: nobody.
        summary_lag: For so long after a server began to run Stripe's summaries may lack
            what was sent before it did, and that they agree proves nothing.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        reconciliation: Reconciliation,
        tenant: Callable[[TenantId], Tenant | None],
        summary_lag: timedelta = SUMMARY_LAG,
    ) -> None:
        self._context = context
        self._all = reconciliation
        self._reconciler = reconciliation.reconciler()
        self._tenant = tenant
        self._lag = summary_lag
        self._lives = reconciliation.lives
        self._kept = KeptPass(redis, context.redis.layout)
        self._life = Life()
        self._known: Mapping[CounterId, Decimal] = {}
        self._fine: set[CounterId] = set()

    async def look(self) -> Life:
        """Learn in which life the server is, and say so where its data may be older.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
            UnknownOutcome: It may be done again.
        """
        life = await self._lives.look()
        await self._lives.note_older(life)
        if life.may_be_older and life.name != self._life.name:
            self._known = known_surplus(await self._kept.read())
            self._fine.clear()
            assert life.began is not None
            shown = minute(life.began + self._lag)
            journal.error(
                "redis_may_be_older",
                began=life.began,
                last_event_before=life.ends,
                therefore="each counter is compared with Stripe before it is billed,"
                f" once it shows all that was sent before, at {shown}",
            )
        self._life = life
        return life

    async def look_for(self, made: Iterable[datetime]) -> None:
        """Look again where an event is so old that Stripe may have forgotten it.

        Since the last look the server may have begun anew, and given it out again.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As `look`.
        """
        at = await self._all.now()
        if any(send_until(each) <= at for each in made):
            await self.look()

    def blind_s(self, at: datetime) -> float:
        """Return for how many seconds more Stripe may lack what was sent before."""
        return _blind_s(self._life, at, self._lag)

    def doubts(self, counter: CounterId) -> bool:
        """Tell whether a counter has to be compared before anything of it is claimed.

        Not after: whoever had claimed an event and ended would leave it to others as
        one that may have been sent.
        """
        if not self._life.may_be_older or counter in self._fine:
            return False
        return is_reconciled(self._context.resource(counter.resource))

    def doubt_of_event(self, made_at: datetime) -> str:
        """Return why an event that waits since then may have been sent; empty: no.

        In a copy that was put back it waits again, whatever was compared since. Stripe
        counts it once while it knows its identifier.
        """
        older = self._life.began_older
        if older is None or made_at >= older:
            return ""
        return (
            f"Redis began at {minute(older)} with data that may be older: it may"
            " have been sent before, and Stripe knows an identifier for a day"
        )

    def doubt_of_claim(self, claim: Claim) -> str:
        """Return why an event that was in flight may have been sent; empty: no.

        An old level that is sent again replaces no newer one.
        """
        resource = self._context.resource(claim.counter.resource)
        if claim.fresh or not is_reconciled(resource):
            return ""
        return self.doubt_of_event(claim.event.timestamp)

    async def clear(self, counter: CounterId, period: Period) -> bool:
        """Compare a counter, and hold it if it must not be billed; tell whether it may.

        Raises:
            Unreachable: Nobody knows, or nobody can know yet, see `blind_s`: claim
                nothing of it.
            UnknownOutcome: It may be done again.
        """
        if self.blind_s(await self._all.now()):
            raise Unreachable(
                "Stripe's summaries may lack what was sent in the last"
                f" {self._lag / _MINUTE:.0f} minutes before Redis began to run"
            )
        reason = await self._objection(counter, period)
        if not reason:
            self._fine.add(counter)
            return True
        await self._all.holds.hold(counter, period, reason)
        tell_held(counter, reason)
        return False

    async def _objection(self, counter: CounterId, period: Period) -> str:
        """Return why nothing of a counter may be billed; empty where it may."""
        tenant = self._tenant(counter.tenant)
        if tenant is None:
            return ""
        subject = Subject(tenant, self._context.resource(counter.resource), period)
        try:
            return self.reason(subject, await self._reconciler.look(subject))
        except (NotFound, Refused):  # there is nothing to compare it with
            return ""

    def reason(self, subject: Subject, finding: Finding) -> str:
        """Return why a counter must not be billed; empty where it may."""
        if not self._life.may_be_older or finding.facts.held or subject.by_events:
            return ""
        more = _surplus(finding) - self._known.get(subject.counter, Decimal(0))
        if more <= 0:
            return ""
        assert self._life.began is not None
        return (
            f"Stripe has {more} units more than this Redis knows to have sent, which"
            f" began at {minute(self._life.began)} with data that may be older"
        )

    async def hold(self, subject: Subject, reason: str) -> None:
        """Keep a counter from being billed until it is reconciled.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: It may be done again.
        """
        counter = subject.counter
        await self._all.holds.hold(counter, subject.period, reason)
        tell_held(counter, reason)

    async def compared(self, life: Life, *, since: datetime) -> None:
        """Note that everything was compared in a life, and what must be is held.

        Args:
            since: When the comparing began; too soon, see `blind_s`, is not at all.

        Raises:
            RedisUnreachable, UnknownOutcome: It may be done again.
        """
        if not _blind_s(life, since, self._lag):
            await self._lives.compared(life)


def tell_held(counter: CounterId, reason: str) -> None:
    """Write into the journal that a counter is held."""
    journal.error(
        "counter_held",
        tenant=counter.tenant,
        resource=counter.resource,
        period=counter.period,
        reason=reason,
    )


def known_surplus(last: LastPass | None) -> dict[CounterId, Decimal]:
    """Return what Stripe had more already when everything was well, by counter."""
    return {
        row.counter: -share.units
        for row in (last.rows if last else ())
        for share in row.shares
        if share.cause is Cause.FOREIGN
    }


def _blind_s(life: Life, at: datetime, lag: timedelta) -> float:
    if life.began is None:
        return 0.0
    return max(0.0, (life.began + lag - at).total_seconds())


def _surplus(finding: Finding) -> Decimal:
    return -finding.units(Cause.FOREIGN)
