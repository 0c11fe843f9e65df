"""What a repair would write, and what it leaves to somebody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from meterdeck.core.model.delivery import INVOICE_GRACE, Letter
from meterdeck.core.model.reconciliation import Cause, Finding
from meterdeck.core.services.reconcile.subjects import Compared, Subject


class StepKind(StrEnum):
    """What a step changes."""

    COUNTED = "counted"
    """An ambiguous event is settled: Stripe has it."""
    NOT_COUNTED = "not_counted"
    """An ambiguous event is settled: its units go out again."""
    REPORTED = "reported"
    """What is taken for accepted by Stripe changes; the rest follows by itself."""
    COUNTER = "counter"
    """The counter is raised, and the bill with it."""
    OFFSET = "offset"
    """What is billed beside the counter, whose period is over."""
    LOWER = "lower"
    """The counter stays as it is, and what was billed too much is billed back."""
    RELEASE = "release"
    """The counter is billed again."""
    NOTHING = "nothing"
    """Nothing is done; the cause says what would help."""


class Foreign(StrEnum):
    """What is done about usage in Stripe that we did not send."""

    LEAVE = "leave"
    COMPENSATE = "compensate"
    """It is taken off again by a negative event."""
    OURS = "ours"
    """It was ours: Redis was restored, and has forgotten that it was sent."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What only a person can know.

    Attributes:
        lower: Counters that are lower than what was billed are right.
    """

    foreign: Foreign = Foreign.LEAVE
    lower: bool = False


_NONE = Choices()


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a repair.

    Attributes:
        units: What is added.
        expected: What `reported` has to be, or the counter; the step refuses else.
        letter: Of an ambiguous event that is settled.
        newest: Number of the counter's newest event that is known.
        invoiced: Whether its period's invoice is closed: Stripe counts what is sent
            for it, and bills it no more.
        alone: Whether it leaves what is billed right in itself; else the counter is
            held until all its steps are done.
    """

    subject: Subject
    cause: Cause
    kind: StepKind
    units: Decimal
    sequence: int
    expected: int | None = None
    letter: Letter | None = None
    newest: int = 0
    invoiced: bool = False
    alone: bool = True

    @property
    def operation_id(self) -> str:
        """An id that the same step has again, and no other."""
        identifier = self.letter.event.identifier if self.letter else ""
        parts = (
            *(self.subject.counter.tenant, self.subject.counter.resource),
            *(self.subject.counter.period, self.kind.value, str(self.units)),
            *(str(self.expected), str(self.sequence), identifier),
        )
        text = "".join(f"{len(part)}:{part}" for part in parts)
        raw = text.encode("utf-8", "surrogateescape")
        return f"repair-{hashlib.sha256(raw).hexdigest()[:40]}"


def steps_of(
    subject: Subject, finding: Finding, choices: Choices = _NONE
) -> list[Step]:
    """Return what brings the drift of a counter to 0, billing nobody twice.

    Also what is left as it is, as steps that do nothing.
    """
    if subject.by_events:
        return _of_events(subject, finding, choices)
    steps = [*_settling(subject, finding), *_counting(subject, finding, choices)]
    for share in finding.shares:
        units = share.units
        match share.cause:
            case Cause.MISSING:
                steps.append(_reported(subject, finding, Cause.MISSING, -units))
            case Cause.WRONG_PERIOD:
                steps += _moving(subject, finding, units)
            case Cause.FOREIGN if choices.foreign is Foreign.COMPENSATE:
                steps.append(_reported(subject, finding, Cause.FOREIGN, -units))
            case Cause.FOREIGN if choices.foreign is Foreign.OURS:
                pass
            case Cause.FOREIGN | Cause.TEST | Cause.ROUNDING | Cause.UNEXPLAINED:
                steps.append(_left(subject, finding, share.cause, units))
            case Cause.REFUSED:
                steps.append(_left(subject, finding, share.cause, units))
            case Cause.AMBIGUOUS if not finding.settled:
                steps.append(_left(subject, finding, share.cause, units))
            case _:
                pass
    if finding.facts.held or not all(each.alone for each in steps):
        steps.append(_releasing(subject, finding, choices.foreign))
    return steps


def _of_events(subject: Subject, finding: Finding, choices: Choices) -> list[Step]:
    """Return the steps for events of their own: each is one of its own, too."""
    settled, steps = finding.settled, [*_settling(subject, finding)]
    for each in finding.faults:
        if each.cause is Cause.FOREIGN and choices.foreign is Foreign.OURS:
            steps.append(_raising(subject, finding, -each.units))
        elif each.cause is not Cause.AMBIGUOUS or not settled:
            steps.append(_left(subject, finding, each.cause, each.units))
    return steps


def _raising(subject: Subject, finding: Finding, units: Decimal) -> Step:
    """Raise a counter from which nothing is billed to what Stripe has of its events.

    Of that an older copy's queue may still have a part, which is counted already.
    """
    facts = finding.facts
    lacking = units - max(0, facts.record.waiting)
    if facts.now not in subject.period:
        return _left(subject, finding, Cause.COUNTER_LOST, -units)
    if lacking <= 0:
        return _left(subject, finding, Cause.WAITING, -units)
    seen, kind = facts.used, StepKind.COUNTER
    return _step(subject, finding, Cause.FOREIGN, kind, lacking, expected=seen)


def plan_of(found: Iterable[Compared], choices: Choices = _NONE) -> list[Step]:
    """Return the steps of several counters; what moves between two is there once."""
    steps: dict[tuple[object, ...], Step] = {}
    for each in found:
        for step in steps_of(each.subject, each.finding, choices):
            letter = step.letter.event.identifier if step.letter else ""
            name = (step.subject.counter, step.cause, step.kind, letter)
            known = steps.get(name)
            if known is None or known.expected is None:
                steps[name] = step
    return list(steps.values())


def _settling(subject: Subject, finding: Finding) -> Iterator[Step]:
    letters = {each.event.identifier: each for each in finding.facts.letters}
    for identifier, counted in finding.settled.items():
        letter = letters[identifier]
        kind = StepKind.COUNTED if counted else StepKind.NOT_COUNTED
        yield Step(
            subject,
            Cause.AMBIGUOUS,
            kind,
            Decimal(letter.units),
            finding.facts.record.sequence,
            letter=letter,
        )


def _releasing(subject: Subject, finding: Finding, foreign: Foreign) -> Step:
    """Let a counter be billed again, unless nobody knows what was billed of it."""
    left = {each.cause for each in finding.faults} & {Cause.FOREIGN, Cause.UNEXPLAINED}
    if foreign is not Foreign.LEAVE:
        left.discard(Cause.FOREIGN)
    kind = StepKind.NOTHING if left else StepKind.RELEASE
    return _step(subject, finding, Cause.RESTORED, kind, Decimal(0))


def _counting(subject: Subject, finding: Finding, choices: Choices) -> Iterator[Step]:
    """Bring record and counter back to what is known to have been billed.

    The counter is raised so far that nothing waits, and no further: what was counted
    after it went back may be among it, and would be billed twice.
    """
    record = finding.facts.record
    known = -finding.units(Cause.RESTORED)
    if choices.foreign is Foreign.OURS:
        known -= finding.units(Cause.FOREIGN)
    lost = -finding.units(Cause.COUNTER_LOST)
    cause = Cause.RESTORED if known else Cause.COUNTER_LOST
    lacking = lost + max(Decimal(0), known - max(0, record.waiting)) if known else lost
    if known:
        yield _step(
            subject,
            finding,
            cause,
            StepKind.REPORTED,
            known,
            expected=record.reported,
            alone=False,
        )
    if lacking and choices.lower and not known:
        yield _step(subject, finding, cause, StepKind.LOWER, -lacking)
    elif lacking:
        is_open = finding.facts.now in subject.period
        kind = StepKind.COUNTER if is_open else StepKind.OFFSET
        seen = finding.facts.used if is_open else record.offset
        yield _step(
            subject, finding, cause, kind, lacking, expected=seen, alone=not known
        )


def _moving(subject: Subject, finding: Finding, units: Decimal) -> Iterator[Step]:
    """Move units to the period they belong to, where no invoice has them yet."""
    facts = finding.facts
    beside = subject.before if facts.before == units else subject.after
    excess, lacking = (beside, subject) if units > 0 else (subject, beside)
    moves = subject.resource.negative_events
    if not moves or facts.now >= excess.period.end + INVOICE_GRACE:
        yield _left(subject, finding, Cause.WRONG_PERIOD, units)
        return
    amount = abs(units)
    # What is too much first: left half done, the rest is found to be missing.
    for place, change in ((excess, amount), (lacking, -amount)):
        mine = place is subject
        yield Step(
            place,
            Cause.WRONG_PERIOD,
            StepKind.REPORTED,
            change,
            facts.record.sequence,
            facts.record.reported if mine else None,
        )


def _reported(subject: Subject, finding: Finding, cause: Cause, units: Decimal) -> Step:
    expected = finding.facts.record.reported
    return _step(subject, finding, cause, StepKind.REPORTED, units, expected=expected)


def _left(subject: Subject, finding: Finding, cause: Cause, units: Decimal) -> Step:
    return _step(subject, finding, cause, StepKind.NOTHING, units)


def _step(
    subject: Subject,
    finding: Finding,
    cause: Cause,
    kind: StepKind,
    units: Decimal,
    *,
    expected: int | None = None,
    alone: bool = True,
) -> Step:
    sequence = finding.facts.record.sequence
    newest = finding.facts.newest_sequence
    return Step(
        subject,
        cause,
        kind,
        units,
        sequence,
        expected,
        newest=newest,
        invoiced=finding.facts.now >= subject.period.end + INVOICE_GRACE,
        alone=alone,
    )
