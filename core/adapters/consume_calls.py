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
from meterdeck.core.model.decisions import Decision, ResourceDecision
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Limit, ResourceName

MOST_TOGETHER = 64
"""Resources of one script call, unless a single call has more."""

_SCRIPT = Script("checks", "consume")
_NUMBERS = [b"%d" % number for number in range(MOST_TOGETHER + 1)]
_KEPT_LIMITS = 4096

_read_limit = lru_cache(_KEPT_LIMITS)(read_limit)


Answer = Decision | PeriodMoved | CycleMoved


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What calls must have in common to share a script call.

    Attributes:
        index: Keys of the sequence number and the index of changes, or empty.
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
    def of(cls, resource: ResourceName, period: Period, default: Limit) -> Term:
        """Return the term of `resource` in `period`."""
        fields = (
            resource,
            to_milliseconds(period.start),
            to_milliseconds(period.end),
            period.label,
            limit_text(default),
            default.source,
        )
        return cls(resource, period, fields)


# Not frozen: that would take three times as long to make, and there is one a call.
@dataclass(slots=True)
class ConsumeCall:
    """A consume call; nobody changes it after it was made.

    Attributes:
        group: Calls of one group may share a script call; all of them have one head.
        keys: Directory entry, counters, overrides and, if the answer is to be kept
            under the call's id, the key for that.
        amounts: One for each term.
        cycle: The billing cycle the periods come from, as the directory has it.
        call_id: Empty where the answer is not kept.
    """

    head: Head
    group: Hashable
    tenant: bytes
    keys: Sequence[bytes]
    terms: Sequence[Term]
    amounts: Sequence[int]
    cycle: bytes
    call_id: str


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
            b"1" if call.call_id else b"0",
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
        units = limit.units
        decisions.append(
            ResourceDecision(
                term.resource,
                current,
                limit,
                None if units is None else max(0, units - current),
                _period(reply[at + 4 : at + 7]) if replayed else term.period,
                reply[at + 3] == b"1",
            )
        )
        at += step
    return tuple(decisions)


def _period(fields: Reply) -> Period:
    start, end, label = fields
    return Period(
        from_milliseconds(int(start)), from_milliseconds(int(end)), label.decode()
    )
