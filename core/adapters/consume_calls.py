"""Consume calls as the script takes them, many at once, and its answers to them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import hiredis

from meterdeck.core.adapters.redis_client import (
    Argument,
    from_milliseconds,
    to_milliseconds,
)
from meterdeck.core.adapters.scripts import (
    CycleMoved,
    PeriodMoved,
    Reply,
    Script,
    limit_text,
    moved,
    problem,
    read_limit,
)
from meterdeck.core.errors import BadInput, MeterdeckError
from meterdeck.core.model.decisions import (
    Beyond,
    Decision,
    Refusal,
    ResourceDecision,
)
from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Limit, LimitSource, ResourceName

MOST_TOGETHER = 64
"""Resources of one script call, unless a single call has more."""

CONSUME = ("checks", "reserved", "rules", "refusals", "consume", "decide")
"""The files that make up the script's text."""

_SCRIPT = Script(*CONSUME)
_NUMBERS = [b"%d" % number for number in range(MOST_TOGETHER + 1)]
_KEPT_LIMITS = 4096

_REFUSALS = {each.value.encode(): each for each in Refusal}
_BEYONDS = {each.value.encode(): each for each in Beyond}

_read_limit = lru_cache(_KEPT_LIMITS)(read_limit)


Answer = Decision | PeriodMoved | CycleMoved


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What calls must have in common to share a script call.

    Attributes:
        index: Keys of the sequence number, the index of changes and that of
            reservations, or empty.
    """

    index: tuple[bytes, ...]
    call_retention_s: int
    retention_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A resource in its current period, and the limit where no plan says more.

    Made once for many calls; `fields` is what the script takes.
    """

    resource: ResourceName
    period: Period
    fields: tuple[Argument, ...]

    @classmethod
    def of(
        cls,
        resource: ResourceName,
        period: Period,
        default: Limit,
        rule: LimitRule | None = None,
    ) -> Term:
        """Return the term of `resource` in `period`.

        Args:
            rule: How limits without a rule of their own are enforced; None: plainly,
                and there are no rules of their own.
        """
        fields = (
            resource,
            to_milliseconds(period.start),
            to_milliseconds(period.end),
            period.label,
            limit_text(default),
            default.source,
            rule.text if rule else "",
        )
        return cls(resource, period, fields)

    def under(self, units: int | None) -> Term:
        """Return the term with a limit the caller gives, where it has none so far."""
        *first, _, source, rule = self.fields
        if units is None or source != LimitSource.NONE:
            return self
        fields = (*first, str(units), LimitSource.ARGUMENT.value, rule)
        return Term(self.resource, self.period, fields)


# Not frozen: that would take three times as long to make, and there is one a call.
@dataclass(slots=True)
class ConsumeCall:
    """A consume call; nobody changes it after it was made.

    Attributes:
        group: Calls of one group may share a script call; all of them have one head.
        keys: Directory entry, refusals; counters, overrides, reservations; use beyond
            the limit for terms with a rule; and, if the answer is to be kept under
            the call's id, the key for that.
        amounts: One for each term.
        cycle: The billing cycle the periods come from, as the directory has it.
        call_id: Empty where the answer is not kept.
        hold_ms: Until the call, a reservation, gives itself back; 0 if it is none.
    """

    head: Head
    group: Hashable
    tenant: bytes
    keys: Sequence[bytes]
    terms: Sequence[Term]
    amounts: Sequence[int]
    cycle: bytes
    call_id: str
    hold_ms: int = 0


def pack_calls(calls: Sequence[ConsumeCall], *, full: bool) -> bytes:
    """Return one script call for all of `calls`, as it goes over the wire.

    Args:
        full: Send the script's text, for a server that does not know its digest.
    """
    head = calls[0].head
    numbers: dict[Term, int] = {}
    terms: list[Argument] = []
    keys: list[Argument] = [*head.index]
    arguments: list[Argument] = []
    for call in calls:
        keys += call.keys
        arguments += (
            call.tenant,
            call.cycle,
            (call.hold_ms or b"1") if call.call_id else b"0",
            _NUMBERS[len(call.terms)],
        )
        for term, amount in zip(call.terms, call.amounts, strict=True):
            number = numbers.get(term)
            if number is None:
                numbers[term] = number = len(numbers) + 1
                terms += term.fields
            arguments.append(_NUMBERS[number])
            arguments.append(amount)
    command = (
        *(("EVAL", _SCRIPT.text) if full else ("EVALSHA", _SCRIPT.digest)),
        len(keys),
        *keys,
        len(calls),
        len(numbers),
        head.call_retention_s,
        1 if head.index else 0,
        head.retention_ms,
        *terms,
        *arguments,
    )
    packed: bytes = hiredis.pack_command(command)
    return packed


def read_answers(
    calls: Sequence[ConsumeCall], reply: object
) -> Sequence[Answer | MeterdeckError]:
    """Return what the script's reply says to each of `calls`, in their order."""
    assert isinstance(reply, list)
    if len(reply) != len(calls):  # it could not tell the calls apart
        what = problem(reply[0], "consume") or BadInput("consume: wrong reply")
        return [type(what)(str(what)) for _ in calls]
    return [_answer(*each) for each in zip(calls, reply, strict=True)]


def _answer(call: ConsumeCall, reply: Reply) -> Answer | MeterdeckError:
    if reply[0] == b"ok":
        return Decision(
            reply[2] == b"1", _resources(call, reply), call.call_id, reply[1] == b"1"
        )
    answer = moved(reply) or problem(reply, "consume")
    assert answer is not None, reply[0]
    return answer


def _resources(call: ConsumeCall, reply: Reply) -> tuple[ResourceDecision, ...]:
    replayed = reply[1] == b"1"
    # With an id there is the name before the four, and the period after them.
    at, step = (5, 8) if call.call_id else (4, 4)
    decisions = []
    for term in call.terms:
        current, limit = int(reply[at]), _read_limit(reply[at + 1], reply[at + 2])
        units, verdict = limit.units, reply[at + 3]
        plain = verdict == b"0"
        reason = None if plain else _REFUSALS.get(verdict)
        decisions.append(
            ResourceDecision(
                term.resource,
                current,
                limit,
                None if units is None else max(0, units - current),
                _period(reply[at + 4 : at + 7]) if replayed else term.period,
                reason is not None,
                reason,
                None if plain else _BEYONDS.get(verdict),
            )
        )
        at += step
    return tuple(decisions)


def _period(fields: Reply) -> Period:
    start, end, label = fields
    return Period(
        from_milliseconds(int(start)), from_milliseconds(int(end)), label.decode()
    )
