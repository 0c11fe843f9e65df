"""Causes of a difference and steps of a repair, in words."""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.reconciliation import Cause, Finding, Share
from meterdeck.core.model.usage import Resource
from meterdeck.core.services.reconcile.repair_plan import Step, StepKind

CAUSE_WORDS = {
    Cause.WAITING: "not sent yet",
    Cause.IN_FLIGHT: "in flight",
    Cause.LAG: "accepted or cancelled a moment ago; not in Stripe's summary yet",
    Cause.RESERVED: "reserved",
    Cause.QUOTA_ONLY: "changed by operators for the quota only",
    Cause.EDGE: "of the next or last period, in the minute both have a part of",
    Cause.REFUSED: "in dead letters",
    Cause.AMBIGUOUS: "sent, and nobody knows whether counted",
    Cause.TEST: "test events",
    Cause.FOREIGN: "in Stripe, and never sent by us",
    Cause.MISSING: "accepted by Stripe, and not counted there",
    Cause.ROUNDING: "decimals that Stripe does not keep",
    Cause.WRONG_PERIOD: "counted by Stripe in the period beside",
    Cause.COUNTER_LOST: "billed, and gone from the counter",
    Cause.RESTORED: "sent, and forgotten: the billing record is an older one",
    Cause.UNEXPLAINED: "unexplained",
}
LEFT_WORDS = {
    Cause.REFUSED: "mend what Stripe refuses, then replay the letters",
    Cause.AMBIGUOUS: "not proven: say of each letter whether Stripe has it",
    Cause.TEST: "cancel the test events within 24 hours",
    Cause.FOREIGN: "left as it is; say --foreign compensate or --foreign ours",
    Cause.ROUNDING: "left: give the resource a scale that Stripe keeps",
    Cause.WRONG_PERIOD: "left: the customer was billed for it, on the other invoice",
    Cause.RESTORED: "it stays held: first say what is foreign, and look at the rest",
    Cause.UNEXPLAINED: "left: look at what else sends to this meter",
}
REPAIR_WORDS = {
    Cause.AMBIGUOUS: "settled where summaries prove it",
    Cause.MISSING: "a repair sends it again",
    Cause.WRONG_PERIOD: "a repair moves it, while that invoice is open",
    Cause.COUNTER_LOST: "a repair raises the counter to what was billed",
    Cause.RESTORED: "a repair takes it for billed",
    Cause.REFUSED: LEFT_WORDS[Cause.REFUSED],
    Cause.TEST: LEFT_WORDS[Cause.TEST],
    Cause.FOREIGN: "a repair asks what is to be done",
    Cause.ROUNDING: LEFT_WORDS[Cause.ROUNDING],
    Cause.UNEXPLAINED: LEFT_WORDS[Cause.UNEXPLAINED],
}
"""What becomes of a cause, in a few words."""
_EVENT_LEFT = "left: it is billed by events of its own; look at them one by one"
_EVENTS_LEFT = {
    **LEFT_WORDS,
    Cause.FOREIGN: "left: say --foreign ours if it was ours; else cancel its events,"
    " or credit the customer",
    Cause.COUNTER_LOST: "left: its period is over, and its counter limits nobody",
    Cause.WAITING: "left: events in the queue may be the same; have them sent first",
}
_DONE_WORDS = {
    StepKind.COUNTED: "{units} are taken for billed: Stripe has the event",
    StepKind.NOT_COUNTED: "{units} go out again: Stripe does not have the event",
    StepKind.COUNTER: "the counter is raised by {units}, which were billed of it",
    StepKind.OFFSET: "{units} stay billed, though the counter has them no more",
    StepKind.LOWER: "the counter is right: {units} are billed back",
    StepKind.RELEASE: "it is billed again",
}


def units_text(units: Decimal, resource: Resource) -> str:
    """Write units of a resource, signed, with parts of one where there are any."""
    whole = int(units)
    part = abs(units - whole).normalize()
    text = group_quantity(whole, resource.scale)
    return f"{text} and {part:f} of a unit" if part else text


def share_words(share: Share, resource: Resource) -> str:
    """Return a part of a difference in words: `+11 accepted by Stripe, and …`."""
    sign = "+" if share.units > 0 else ""
    text = units_text(share.units, resource)
    return f"{sign}{text} {CAUSE_WORDS[share.cause]}"


def finding_words(finding: Finding, resource: Resource) -> str:
    """Return all causes of a difference in words."""
    shares = "; ".join(share_words(each, resource) for each in finding.shares)
    held = f"held: {finding.facts.held}" if finding.facts.held else ""
    return "; ".join(filter(None, (shares, held))) or "agreed"


def step_words(step: Step) -> str:
    """Return what a step of a repair does, or why it does nothing."""
    resource = step.subject.resource
    if step.kind is StepKind.NOTHING:
        words = _EVENTS_LEFT if step.subject.by_events else LEFT_WORDS
        return words.get(step.cause, _EVENT_LEFT)
    if step.kind is StepKind.REPORTED:
        return _reported_words(step, resource)
    units = units_text(abs(step.units), resource)
    return _DONE_WORDS[step.kind].format(units=units)


def _reported_words(step: Step, resource: Resource) -> str:
    units = units_text(abs(step.units), resource)
    if step.units < 0:
        late = "; the invoice of that period is closed, and will not have them"
        return f"{units} go out again{late if step.invoiced else ''}"
    if step.cause is Cause.RESTORED:
        return f"{units} are taken for billed: Stripe has them"
    return f"{units} are taken off in Stripe, by a negative event"
