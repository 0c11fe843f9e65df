"""One pass of the schedule: compare, confirm, settle what is proven, and alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from meterdeck.core.model.changes import Actor
from meterdeck.core.model.drift import LastPass, WorstRows, drifted
from meterdeck.core.model.reconciliation import Cause, Finding
from meterdeck.core.services.reconcile.reconciler import Scope, Unasked, Unchanged
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.repair_plan import Step, StepKind, steps_of
from meterdeck.core.services.reconcile.subjects import Compared
from meterdeck.core.services.sync import journal

ACTOR = Actor("meterdeck", "reconcile")
_SETTLING = (StepKind.COUNTED, StepKind.NOT_COUNTED)
_MOST_LINES = 100  # of the log, in one pass


@dataclass(slots=True)
class Pass:
    """What a pass found.

    Attributes:
        compared: Counters that were compared with Stripe.
        unchanged: Counters that are as they were when Stripe last agreed.
        unasked: Counters that could not be compared, and `passing` those of which that
            is so at the moment.
        settled: Ambiguous events that were settled.
        drift: Units of each cause that needs somebody, all as positive.
        counters: How many counters have that cause.
        since: Since when, at the latest, something is unexplained; None: nothing is.
        rows: The worst of the counters that differ.
    """

    compared: int = 0
    unchanged: int = 0
    unasked: int = 0
    passing: int = 0
    settled: int = 0
    drift: dict[Cause, Decimal] = field(default_factory=dict)
    counters: Counter[Cause] = field(default_factory=Counter)
    since: datetime | None = None
    rows: WorstRows = field(default_factory=WorstRows)

    def kept(
        self, at: datetime, *, by: str, took_s: float, everything: bool
    ) -> LastPass:
        """Return what is told of it to whoever looks later."""
        return LastPass(
            at,
            by,
            took_s,
            everything,
            self.compared,
            self.unchanged,
            self.unasked,
            self.settled,
            self.rows.rows,
            self.rows.more,
            self.since,
            dict(self.drift),
        )


async def reconcile_once(
    reconciliation: Reconciliation,
    scope: Scope,
    *,
    settles: bool = True,
    told: Callable[[int], None] = lambda done: None,
    compared: Callable[[Compared], None] = lambda result: None,
) -> Pass:
    """Compare the counters that changed with Stripe, and note what agrees.

    Ambiguous events that summaries prove are settled; nothing else is repaired. What
    needs somebody is logged. May be done by several workers at once.

    Args:
        settles: Whether ambiguous events are settled; not so in a read-only context.
        compared: Is shown each counter that was compared; must be quick.

    Raises:
        Unreachable: Neither meters, log nor records could be read.
    """
    found = Pass()
    lines = 0
    settling: list[Step] = []
    async for result in reconciliation.reconciler().results(scope, told):
        match result:
            case Unchanged():
                found.unchanged += 1
            case Unasked():
                found.unasked += 1
                found.passing += result.passing
            case Compared():
                found.compared += 1
                compared(result)
                lines += _alarm(found, result, quiet=lines >= _MOST_LINES)
                if not _settles_only(result.finding):
                    found.rows.add(drifted(result.subject.counter, result.finding))
                steps = steps_of(result.subject, result.finding)
                settling += [each for each in steps if each.kind in _SETTLING]
    if settles and settling:
        done = await reconciliation.repairs().apply(settling, ACTOR, "")
        found.settled = sum(not each.problem for each in done)
    return found


def _settles_only(finding: Finding) -> bool:
    """Tell whether nothing is wrong, once what is proven is settled."""
    left = [each for each in finding.faults if each.cause is not Cause.AMBIGUOUS]
    proven = finding.settled or len(left) == len(finding.faults)
    return bool(proven) and not left and not finding.facts.held


def _alarm(found: Pass, result: Compared, *, quiet: bool) -> int:
    """Count a counter's faults, and log them; return how many lines that were."""
    counter = result.subject.counter
    finding = result.finding
    if finding.since is not None:
        found.since = min(finding.since, found.since or finding.since)
    faults = [
        share
        for share in finding.faults
        if share.cause is not Cause.AMBIGUOUS or not finding.settled
    ]
    for share in faults:
        known = found.drift.get(share.cause, Decimal(0))
        found.drift[share.cause] = known + abs(share.units)
        found.counters[share.cause] += 1
        if not quiet:
            journal.warning(
                "drift",
                tenant=counter.tenant,
                resource=counter.resource,
                period=counter.period,
                cause=share.cause.value,
                units=str(share.units),
            )
    return len(faults)
