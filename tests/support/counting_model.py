"""The rules of counting in plain Python: what a server has to hold after any calls.

Written from the contract, not from the scripts. Time is the frozen clock's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.contexts import CALLS, IMAGES, SEATS, STORAGE
from tests.support.counting_records import (
    Answer,
    Beyond,
    Call,
    Override,
    Row,
    SettledAnswer,
    Slot,
    Term,
)
from tests.support.frozen_clock import SLACK_MS

from meterdeck.core.errors import MeterdeckError, NotFound, Refused
from meterdeck.core.model.periods import (
    Cycle,
    Interval,
    Period,
    PeriodKind,
    current_period,
)

DAY_MS = 86_400_000
RETENTION_MS = 35 * DAY_MS
CALL_KEPT_MS = 600_000
MOST_A_SECOND = 32

Wanted = Mapping[str, int]

DEFAULTS: Mapping[str, str] = {CALLS: "20", IMAGES: "9", SEATS: "8"}
NAMES = (CALLS, IMAGES, SEATS, STORAGE)
RULES: Mapping[str, str] = {IMAGES: "hard 50 3600", SEATS: "shadow"}
"""Resources whose limits have rules: these, where the plan says nothing else."""


@dataclass
class Counting:
    """Counters, calls, reservations and refusals of one tenant."""

    now: int
    counters: dict[Slot, int] = field(default_factory=dict)
    gone: dict[Slot, int] = field(default_factory=dict)
    reservations: dict[Slot, dict[str, int]] = field(default_factory=dict)
    reserved_gone: dict[Slot, int] = field(default_factory=dict)
    reserving: dict[Slot, int] = field(default_factory=dict)
    beyond: dict[Slot, Beyond] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)
    refusals: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refusals_gone: int = 0
    plan: dict[str, str] = field(default_factory=dict)
    changed: bool = False
    """Whether the last step changed something that readers have to hear of."""

    # -- time -------------------------------------------------------------------------

    def term(self, resource: str) -> Term:
        """Return a resource's current term."""
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.now)
        kind = PeriodKind.CALENDAR_MONTH
        if resource == SEATS:
            kind = PeriodKind.BILLING_CYCLE
        period: Period = current_period(kind, self.cycle(), at)
        start, end = (int(at.timestamp()) * 1000 for at in (period.start, period.end))
        return Term(resource, period.label, start, end)

    def cycle(self) -> Cycle | None:
        """Return the billing cycle of the directory's entry."""
        if "anchor" not in self.plan:
            return None
        anchor = datetime.fromtimestamp(int(self.plan["anchor"]), UTC)
        count = int(self.plan.get("interval_count", "1"))
        return Cycle(anchor, Interval(self.plan["interval"]), count)

    def pass_time(self, by_ms: int) -> None:
        """Let time pass, and what ends meanwhile be gone."""
        self.now += by_ms
        for slot in [each for each, gone in self.gone.items() if gone < self.now]:
            del self.counters[slot], self.gone[slot]
        for slot in [s for s, gone in self.reserved_gone.items() if gone < self.now]:
            del self.reservations[slot], self.reserved_gone[slot]
        for slot in [s for s, each in self.beyond.items() if each.gone < self.now]:
            del self.beyond[slot]
        for call_id, call in list(self.calls.items()):
            if call.gone - self.now < SLACK_MS:
                del self.calls[call_id]
        for resource, each in list(self.overrides.items()):
            if each.gone is not None and each.gone < self.now:
                del self.overrides[resource]
        if self.refusals_gone - self.now < SLACK_MS:
            self.refusals.clear()

    # -- counters ---------------------------------------------------------------------

    def count(self, term: Term, units: int) -> None:
        """Add to a counter; the first write says when it goes."""
        self.counters[term.slot] = self.counters.get(term.slot, 0) + units
        self.gone.setdefault(term.slot, term.end + RETENTION_MS)
        self.changed = True

    def expired(self, slot: Slot) -> dict[str, int]:
        """Return a counter's reservations that are over, with their units."""
        held = self.reservations.get(slot, {})
        return {
            member: int(member.rpartition(":")[2])
            for member, ends in held.items()
            if ends <= self.now
        }

    def used(self, slot: Slot) -> int:
        """Return what is used, without what expired."""
        used = self.counters.get(slot, 0)
        return used - min(sum(self.expired(slot).values()), max(0, used))

    def give_back(self, slot: Slot) -> int:
        """Take expired reservations out; return the units."""
        expired = self.expired(slot)
        if not expired:
            return 0
        before, after = self.counters.get(slot, 0), self.used(slot)
        if slot in self.counters:
            self.counters[slot] = after
        for member in expired:
            self._let_go(slot, member)
        self.changed = True
        return before - after

    def _let_go(self, slot: Slot, member: str) -> None:
        del self.reservations[slot][member]
        if not self.reservations[slot]:
            del self.reservations[slot], self.reserved_gone[slot]

    def sweep(self) -> int:
        """Do the same for every counter that is due."""
        due = [slot for slot, at in self.reserving.items() if at <= self.now]
        return sum(self.sweep_one(slot) for slot in due)

    def sweep_one(self, slot: Slot) -> int:
        """Do the same for one counter, and see when it is due next."""
        units = self.give_back(slot)
        left = self.reservations.get(slot)
        if left:
            self.reserving[slot] = min(left.values())
        else:
            del self.reserving[slot]
        return units

    # -- limits -----------------------------------------------------------------------

    def limit(self, resource: str, given: Wanted) -> tuple[str, str]:
        """Return the limit that counts, and which rule gave it."""
        override = self.overrides.get(resource)
        if override and (override.gone is None or override.gone > self.now):
            return override.units, "override"
        if planned := self.plan.get(f"limit:{resource}"):
            return planned, "plan"
        if resource in DEFAULTS:
            return DEFAULTS[resource], "default"
        if resource in given:
            return str(given[resource]), "argument"
        return "none", "none"

    def rule(self, resource: str) -> str:
        """Return how the limit is enforced."""
        own = self.plan.get(f"rule:{resource}", "")
        if resource in RULES and own and f"limit:{resource}" in self.plan:
            return own
        return RULES.get(resource, "hard")

    def verdict(self, term: Term, amount: int, units: int) -> str:
        """Say what a call of `amount` gets under a limit of `units`."""
        used, rule = self.used(term.slot), self.rule(term.resource).split(" ")
        beyond = self.beyond.get(term.slot) or Beyond(0)
        why = "over_limit" if amount <= units else "larger_than_limit"
        if units == 0:
            why = "blocked"
        if rule[0] == "shadow":
            apart = min(beyond.shadow_units, max(0, used))
            return "shadow" if used - apart + amount > units else "0"
        if used + amount <= units:
            return "0"
        if units == 0 or rule == ["hard"]:
            return why
        if rule[0] == "soft":
            return "over"
        return self._grace(rule, beyond.passed_at, used + amount, amount, units) or why

    def _grace(
        self,
        rule: list[str],
        passed_at: int | None,
        after: int,
        amount: int,
        units: int,
    ) -> str:
        """Say what a call beyond a hard limit gets; empty for what it gets without."""
        percent, seconds = rule[1:]
        if percent != "-":
            most = units + units * int(percent) // 100
            if after > most:
                return "larger_than_limit" if amount > most else "over_limit"
        if seconds == "-":
            return "over"
        since = self.now if passed_at is None else passed_at
        return "over" if self.now < since + int(seconds) * 1000 else ""

    # -- calls ------------------------------------------------------------------------

    def take(
        self,
        wanted: Wanted,
        call_id: str = "",
        *,
        hold_ms: int = 0,
        limits: Wanted | None = None,
        late: bool = False,
    ) -> Answer | type[MeterdeckError]:
        """Consume, or reserve for `hold_ms`.

        Args:
            late: A known id is answered to a client that names another period's
                counters: what expired of the current ones stays for the next call.
        """
        known = self.calls.get(call_id)
        terms = [self.term(name) for name in (sorted(wanted) if call_id else wanted)]
        for term in terms if known is None or not late else ():
            self.give_back(term.slot)
        request = (hold_ms > 0, dict(wanted))
        if known is not None:
            return known.answer if known.request == request else Refused
        answer = self._decide(terms, wanted, limits or {})
        if answer.allowed:
            for term, row in zip(terms, answer.rows, strict=True):
                self.count(term, wanted[term.resource])
                self._note_beyond(term, wanted[term.resource], row.verdict)
                if hold_ms:
                    self._hold(term, f"{call_id}:{wanted[term.resource]}", hold_ms)
        else:
            self._record(terms, wanted, answer, call_id)
        if call_id:
            gone = self.now + CALL_KEPT_MS + hold_ms
            self.calls[call_id] = Call(
                request, answer, terms, dict(wanted), gone, hold_ms > 0
            )
        return answer

    def _decide(self, terms: Sequence[Term], wanted: Wanted, given: Wanted) -> Answer:
        found = []
        for term in terms:
            amount = wanted[term.resource]
            limit, source = self.limit(term.resource, given)
            verdict = "0"
            if limit.isdigit():
                verdict = self.verdict(term, amount, int(limit))
            found.append((term, amount, limit, source, verdict))
        allowed = all(each[-1] in ("0", "over", "shadow") for each in found)
        rows = tuple(
            Row(
                term.resource,
                term.label,
                self.used(term.slot) + (amount if allowed else 0),
                limit,
                source,
                verdict,
            )
            for term, amount, limit, source, verdict in found
        )
        return Answer(allowed, rows)

    def _note_beyond(self, term: Term, amount: int, verdict: str) -> None:
        timed = self.rule(term.resource).startswith("hard ") and not self.rule(
            term.resource
        ).endswith("-")
        if verdict == "0" or (verdict == "over" and not timed):
            return
        beyond = self.beyond.setdefault(term.slot, Beyond(term.end + RETENTION_MS))
        if verdict == "shadow":
            beyond.shadow_calls += 1
            beyond.shadow_units += amount
        elif beyond.passed_at is None:
            beyond.passed_at = self.now

    def _hold(self, term: Term, member: str, hold_ms: int) -> None:
        ends = self.now + hold_ms
        self.reservations.setdefault(term.slot, {})[member] = ends
        self.reserved_gone.setdefault(term.slot, term.end + RETENTION_MS)
        self.reserving[term.slot] = min(ends, self.reserving.get(term.slot, ends))

    def _record(
        self, terms: Sequence[Term], wanted: Wanted, answer: Answer, call_id: str
    ) -> None:
        second = self.now - self.now % 1000
        for term, row in zip(terms, answer.rows, strict=True):
            if row.verdict in ("0", "over", "shadow"):
                continue
            number = sum(each.startswith(f"{second}-") for each, _ in self.refusals)
            if number >= MOST_A_SECOND:
                continue
            fields = {
                "at": str(self.now),
                "resource": term.resource,
                "reason": row.verdict,
                "before": str(row.current),
                "cost": str(wanted[term.resource]),
                "limit": row.limit,
                "source": row.source,
                "start": str(term.start),
                "end": str(term.end),
                "period": term.label,
                "call": call_id,
            }
            self.refusals.append((f"{second}-{number}", fields))
            self.refusals_gone = self.now + RETENTION_MS

    def settle(
        self, how: str, call_id: str, given: Wanted | None
    ) -> SettledAnswer | type[MeterdeckError]:
        """Release a call, or confirm a reservation."""
        call = self.calls.get(call_id)
        if call is None or not call.answer.allowed:
            return NotFound
        if how == "confirm" and not call.reservation:
            return Refused
        back = {
            name: self._back(how, name, took, given) for name, took in call.took.items()
        }
        if call.settled is not None:
            return call.settled[1] if call.settled[0] == (how, back) else Refused
        if call.reservation:
            for term in call.terms:
                member = f"{call_id}:{call.took[term.resource]}"
                ends = self.reservations.get(term.slot, {}).get(member, 0)
                if ends <= self.now:
                    return NotFound
        answer = self._settle(call_id, call, back)
        call.settled = ((how, back), answer)
        self.changed = True
        return answer

    def _settle(
        self, call_id: str, call: Call, wanted: Mapping[str, int]
    ) -> SettledAnswer:
        rows = []
        for term, row in zip(call.terms, call.answer.rows, strict=True):
            used = self.counters.get(term.slot, 0)
            back = min(wanted[term.resource], max(0, used))
            if back:
                self.count(term, -back)
            if back and row.verdict == "shadow":
                self.beyond[term.slot].shadow_units -= back
            if call.reservation:
                self._let_go(term.slot, f"{call_id}:{call.took[term.resource]}")
            rows.append((term.resource, back, used - back))
        return SettledAnswer(tuple(rows))

    def _back(self, how: str, name: str, took: int, given: Wanted | None) -> int:
        if how == "release":
            return took if given is None else min(given.get(name, 0), took)
        return took - min((given or {}).get(name, took), took)
