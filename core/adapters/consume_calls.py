"""Consume calls as the script takes them, many at once, and its answers to them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from meterdeck.core.adapters.redis_client import (
    from_milliseconds,
    to_milliseconds,
)
from meterdeck.core.adapters.resp import bulk, bulks
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
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import Period
from meterdeck.core.model.usage import Limit, LimitSource, ResourceName

MOST_TOGETHER = 64
"""Resources of one script call, unless a single call has more."""

CONSUME = ("checks", "reserved", "rules", "refusals", "consume", "decide")
"""The files that make up the script's text."""

_SCRIPT = Script(*CONSUME)
_DIGEST = _SCRIPT.digest.encode()
_HEAD_ARGUMENTS, _TERM_ARGUMENTS, _CALL_ARGUMENTS = 5, 7, 4
_NUMBERS = [bulk(b"%d" % number) for number in range(MOST_TOGETHER + 1)]
_NONE, _ONE = _NUMBERS[0], _NUMBERS[1]
_KEPT_LIMITS = 4096
_SOURCE = 5  # of a term's fields

_REFUSALS = {each.value.encode(): each for each in Refusal}
_BEYONDS = {each.value.encode(): each for each in Beyond}

# What a named tuple's own `__new__` calls, in half the time; two of them a call.
_made = tuple.__new__

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

    Made once for many calls; `fields` is what the script takes, and `packed` the same
    as it goes over the wire.
    """

    resource: ResourceName
    period: Period
    fields: tuple[str, ...]
    packed: bytes

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
            str(to_milliseconds(period.start)),
            str(to_milliseconds(period.end)),
            period.label,
            limit_text(default),
            default.source.value,
            rule.text if rule else "",
        )
        return cls.packed_of(resource, period, fields)

    def under(self, units: int | None) -> Term:
        """Return the term with a limit the caller gives, where it has none so far."""
        if units is None or self.fields[_SOURCE] != LimitSource.NONE:
            return self
        return _term_under(self, units)

    @classmethod
    def packed_of(
        cls, resource: ResourceName, period: Period, fields: tuple[str, ...]
    ) -> Term:
        """Return the term that these fields make."""
        return cls(resource, period, fields, bulks(map(name_bytes, fields)))


# An application gives the same few limits again and again, and calls with one term
# share its seven arguments.
@lru_cache(_KEPT_LIMITS)
def _term_under(term: Term, units: int) -> Term:
    *first, _, _, rule = term.fields
    fields = (*first, str(units), LimitSource.ARGUMENT.value, rule)
    return Term.packed_of(term.resource, term.period, fields)


# Not frozen: that would take three times as long to make, and there is one a call.
@dataclass(slots=True)
class ConsumeCall:
    """A consume call; nobody changes it after it was made.

    Attributes:
        group: Calls of one group may share a script call; all of them have one head.
        who: The tenant, and the billing cycle the periods come from as the directory
            has it, as they go over the wire.
        keys: As they go over the wire: directory entry, refusals; counters, overrides,
            reservations; use beyond the limit for terms with a rule; and, if the
            answer is to be kept under the call's id, the key for that.
        amounts: One for each term.
        call_id: Empty where the answer is not kept.
        hold_ms: Until the call, a reservation, gives itself back; 0 if it is none.
    """

    head: Head
    group: Hashable
    who: bytes
    keys: bytes
    key_count: int
    terms: Sequence[Term]
    amounts: Sequence[int]
    call_id: str
    hold_ms: int = 0

    @property
    def entry(self) -> bytes:
        """The first key: the directory entry."""
        size, _, rest = self.keys[1:].partition(b"\r\n")
        return rest[: int(size)]


def pack_calls(calls: Sequence[ConsumeCall], *, full: bool) -> bytes:
    """Return one script call for all of `calls`, as it goes over the wire.

    Args:
        full: Send the script's text, for a server that does not know its digest.
    """
    head = calls[0].head
    numbers: dict[Term, bytes] = {}
    keys = [*map(bulk, head.index)]
    key_count, argument_count = len(keys), _HEAD_ARGUMENTS
    arguments: list[bytes] = []
    for call in calls:
        keys.append(call.keys)
        key_count += call.key_count
        terms = call.terms
        kept = _ONE if call.call_id else _NONE
        if call.hold_ms:
            kept = _number(call.hold_ms)
        arguments += (call.who, kept, _NUMBERS[len(terms)])
        argument_count += _CALL_ARGUMENTS + 2 * len(terms)
        for term, amount in zip(terms, call.amounts, strict=True):
            number = numbers.get(term)
            if number is None:
                numbers[term] = number = _number(len(numbers) + 1)
            arguments.append(number)
            arguments.append(_number(amount))
    argument_count += _TERM_ARGUMENTS * len(numbers)
    script = bulks((b"EVAL", _SCRIPT.text) if full else (b"EVALSHA", _DIGEST))
    return b"".join(
        (
            b"*%d\r\n" % (3 + key_count + argument_count),
            script,
            _number(key_count),
            *keys,
            _number(len(calls)),
            _number(len(numbers)),
            _number(head.call_retention_s),
            _ONE if head.index else _NONE,
            _number(head.retention_ms),
            *[term.packed for term in numbers],
            *arguments,
        )
    )


def _number(number: int) -> bytes:
    return _NUMBERS[number] if 0 <= number <= MOST_TOGETHER else bulk(b"%d" % number)


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
    if reply[0] != b"ok":
        answer = moved(reply) or problem(reply, "consume")
        assert answer is not None, reply[0]
        return answer
    resources = _resources(call, reply)
    allowed, replayed = reply[2] == b"1", reply[1] == b"1"
    return _made(Decision, (allowed, resources, call.call_id, replayed))


def _resources(call: ConsumeCall, reply: Reply) -> tuple[ResourceDecision, ...]:
    terms = call.terms
    if not call.call_id:
        if len(terms) == 1:
            return (_resource(terms[0], *reply[4:8]),)
        return tuple(
            _resource(term, *reply[4 * at : 4 * at + 4])
            for at, term in enumerate(terms, start=1)
        )
    # With an id there is the name before the four, and the period after them.
    decisions = []
    for at, term in enumerate(terms):
        fields = reply[8 * at + 4 : 8 * at + 12]
        decided = _resource(term, *fields[1:5])
        if reply[1] == b"1":
            decided = decided._replace(period=_period(fields[5:]))
        decisions.append(decided)
    return tuple(decisions)


def _resource(
    term: Term, value: bytes, limit_text: bytes, source: bytes, verdict: bytes
) -> ResourceDecision:
    current, limit = int(value), _read_limit(limit_text, source)
    units = limit.units
    remaining = None if units is None else max(0, units - current)
    reason = beyond = None
    if verdict != b"0":
        reason, beyond = _REFUSALS.get(verdict), _BEYONDS.get(verdict)
    refused = reason is not None
    return _made(
        ResourceDecision,
        (
            term.resource,
            current,
            limit,
            remaining,
            term.period,
            refused,
            reason,
            beyond,
        ),
    )


def _period(fields: Reply) -> Period:
    start, end, label = fields
    return Period(
        from_milliseconds(int(start)), from_milliseconds(int(end)), label.decode()
    )
