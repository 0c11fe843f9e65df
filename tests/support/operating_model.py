"""What operators change, in plain Python, and all keys a server then has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.counting_model import DAY_MS, Counting
from tests.support.counting_records import Override, Slot
from tests.support.frozen_clock import SLACK_MS

from meterdeck.core.errors import (
    BadInput,
    Conflict,
    MeterdeckError,
    NotFound,
    Refused,
)
from meterdeck.core.model.keys import KeyLayout

LAYOUT = KeyLayout()
BILLING_MS = 35 * DAY_MS
OPERATION_KEPT_MS = DAY_MS
TENANT = "acme"
NEVER = -1

Failure = type[MeterdeckError]


@dataclass(frozen=True)
class Change:
    """What an operator asks for: `kind` is the action as the trail names it.

    Attributes:
        amount: Units, `unlimited` or empty.
        ends: When an override ends, in ms; None for never.
        undoes: Id of the entry to take back.
    """

    kind: str
    resource: str
    amount: str = ""
    expected: int | None = None
    bill: str = ""
    ends: int | None = None
    undoes: str = ""


@dataclass(frozen=True)
class Changed:
    """What it did: the value before, the value after, and its entry's id."""

    before: str
    after: str
    entry: str


@dataclass(frozen=True)
class Counted:
    """A key whose time is counted from when it was written; it ends in `left_ms`."""

    left_ms: int


@dataclass(frozen=True)
class Key:
    """What a key holds, and when it ends."""

    kind: str
    value: Any
    ends: int | Counted = NEVER


@dataclass
class Operating(Counting):
    """Counting, and operators' changes with their trail."""

    operations: dict[str, tuple[Change, Changed, int]] = field(default_factory=dict)
    trail: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    undone: dict[str, str] = field(default_factory=dict)
    offsets: dict[Slot, int] = field(default_factory=dict)
    offsets_gone: dict[Slot, int] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)
    overridden: bool = False

    def pass_time(self, by_ms: int) -> None:
        """Let time pass, and what ends meanwhile be gone."""
        super().pass_time(by_ms)
        for slot in [s for s, gone in self.offsets_gone.items() if gone < self.now]:
            del self.offsets[slot], self.offsets_gone[slot]
        for name, (_, _, gone) in list(self.operations.items()):
            if gone - self.now < SLACK_MS:
                del self.operations[name]

    # -- changes ----------------------------------------------------------------------

    def change(self, wish: Change, operation_id: str) -> Changed | Failure:
        """Make a change, at most once an operation id."""
        if known := self.operations.get(operation_id):
            return known[1] if known[0] == wish else Refused
        if wish.undoes:
            return self._undo(wish, operation_id)
        return self._make(wish, operation_id)

    def _make(
        self, wish: Change, operation_id: str, asked: Change | None = None
    ) -> Changed | Failure:
        done: Changed | Failure
        if wish.kind.startswith("adjust:"):
            done = self._adjust(wish, operation_id)
        elif wish.kind == "override:set":
            done = self._override(wish, operation_id)
        else:
            done = self._clear(wish, operation_id)
        if isinstance(done, Changed):
            gone = self.now + OPERATION_KEPT_MS
            self.operations[operation_id] = (asked or wish, done, gone)
            self.changed = True
        return done

    def _adjust(self, wish: Change, operation_id: str) -> Changed | Failure:
        term, amount = self.term(wish.resource), int(wish.amount or 0)
        before = self.used(term.slot)
        if wish.expected is not None and wish.expected != before:
            return Conflict
        after = {
            "adjust:add": before + amount,
            "adjust:subtract": before - amount,
            "adjust:set": amount,
            "adjust:reset": 0,
        }[wish.kind]
        if after < min(0, before):
            return Refused
        self.give_back(term.slot)
        if after != before:
            self.count(term, after - before)
            if wish.bill == "quota_only":
                offset = self.offsets.get(term.slot, 0)
                self.offsets[term.slot] = offset - (after - before)
                gone = self.term(wish.resource).end + 2 * BILLING_MS
                self.offsets_gone.setdefault(term.slot, gone)
        return self._write(wish, term.label, str(before), str(after), operation_id)

    def _override(self, wish: Change, operation_id: str) -> Changed | Failure:
        if wish.ends is not None and wish.ends <= self.now:
            return BadInput
        new = Override(
            wish.amount,
            wish.ends,
            "" if wish.ends is None else in_words(wish.ends),
            operation_id,
            actor(wish)[0],
            reason(wish),
            self.now,
        )
        before = self.words(wish.resource)
        self.overrides[wish.resource] = new
        self.listed[wish.resource] = operation_id
        self.overridden = True
        return self._write(wish, "", before, new.words, operation_id)

    def _clear(self, wish: Change, operation_id: str) -> Changed | Failure:
        before = self.words(wish.resource)
        if before == "none":
            return NotFound
        del self.overrides[wish.resource]
        self.listed.pop(wish.resource, None)
        return self._write(wish, "", before, "none", operation_id)

    def words(self, resource: str) -> str:
        """Return an override as the trail writes it."""
        override = self.overrides.get(resource)
        return override.words if override else "none"

    def _undo(self, wish: Change, operation_id: str) -> Changed | Failure:
        entry = dict(self.trail)[wish.undoes]
        if wish.undoes in self.undone or entry["before"] == entry["after"]:
            return Refused
        if entry["action"].startswith("adjust:"):
            if entry["period"] != self.term(entry["resource"]).label:
                return Refused
            difference = int(entry["after"]) - int(entry["before"])
            back = Change(
                "adjust:subtract" if difference > 0 else "adjust:add",
                entry["resource"],
                str(abs(difference)),
                bill=entry["bill"],
                undoes=wish.undoes,
            )
        else:
            found = self._undo_override(entry, wish.undoes)
            if found is None:
                return Refused
            back = found
        done = self._make(back, operation_id, wish)
        if isinstance(done, Changed):
            self.undone[wish.undoes] = done.entry
        return done

    def _undo_override(self, entry: Mapping[str, str], undoes: str) -> Change | None:
        resource = entry["resource"]
        if self.words(resource) != entry["after"] or self._changed_since(undoes):
            return None
        units, _, moment = entry["before"].partition(" until ")
        ends = from_words(moment) if moment else None
        if units == "none" or (ends is not None and ends <= self.now):
            if entry["after"] == "none":
                return None
            return Change("override:clear", resource, undoes=undoes)
        return Change("override:set", resource, units, ends=ends, undoes=undoes)

    def _changed_since(self, entry_id: str) -> bool:
        """Whether an override was changed later, and that was not taken back."""
        ids = [each for each, _ in self.trail]
        own = dict(self.trail)[entry_id]["resource"]
        later: dict[str, None] = {}
        for each, fields in self.trail[ids.index(entry_id) + 1 :]:
            if fields["action"].startswith("override:") and fields["resource"] == own:
                undoes = fields.get("undoes", "")
                if undoes in later:
                    del later[undoes]
                else:
                    later[each] = None
        return bool(later)

    # -- the trail --------------------------------------------------------------------

    def _write(
        self, wish: Change, period: str, before: str, after: str, operation_id: str
    ) -> Changed:
        entry_id = f"{self.now}-0"
        previous = "0" * 40
        if self.trail:
            newest, fields = self.trail[-1]
            previous = fields["hash"]
            ms, number = map(int, newest.split("-"))
            if ms >= self.now:
                entry_id = f"{ms}-{number + 1}"
        name, origin = actor(wish)
        fields = {
            "at": str(self.now),
            "actor": name,
            "origin": origin,
            "action": wish.kind,
            "tenant": TENANT,
            "resource": wish.resource,
            "period": period,
            "before": before,
            "after": after,
            "reason": reason(wish),
            "bill": wish.bill,
            "operation_id": operation_id,
        }
        if wish.undoes:
            fields["undoes"] = wish.undoes
        lines = [previous, *(f"{len(v)}:{v}" for v in (*fields.values(), entry_id))]
        digest = hashlib.sha1("\n".join(lines).encode(), usedforsecurity=False)
        fields |= {"previous_hash": previous, "hash": digest.hexdigest()}
        self.trail.append((entry_id, fields))
        return Changed(before, after, entry_id)

    # -- keys -------------------------------------------------------------------------

    def keys(self) -> dict[bytes, Key]:
        """Return every key that there has to be, but the numbers of changes."""
        found: dict[bytes, Key] = {}
        for slot, used in self.counters.items():
            found[LAYOUT.counter(TENANT, *slot)] = Key(
                "string", str(used), self.gone[slot]
            )
        for slot, held in self.reservations.items():
            ends = self.reserved_gone[slot]
            found[LAYOUT.reserved(TENANT, *slot)] = Key("zset", held, ends)
        for slot, beyond in self.beyond.items():
            fields = {}
            if beyond.passed_at is not None:
                fields["passed_at"] = str(beyond.passed_at)
            if beyond.shadow_calls:
                fields["shadow_calls"] = str(beyond.shadow_calls)
                fields["shadow_units"] = str(beyond.shadow_units)
            found[LAYOUT.beyond(TENANT, *slot)] = Key("hash", fields, beyond.gone)
        for slot, offset in self.offsets.items():
            ends = self.offsets_gone[slot]
            key = LAYOUT.billing(TENANT, *slot)
            found[key] = Key("hash", {"offset": str(offset)}, ends)
        if self.reserving:
            due = {
                LAYOUT.counter(TENANT, *slot).decode(): at
                for slot, at in self.reserving.items()
            }
            found[LAYOUT.reserving()] = Key("zset", due)
        return found | self._kept() | self._operators()

    def _kept(self) -> dict[bytes, Key]:
        found: dict[bytes, Key] = {}
        for call_id, call in self.calls.items():
            ends = Counted(call.gone - self.now)
            found[LAYOUT.call(TENANT, call_id)] = Key("string", None, ends)
            if call.settled is not None:
                found[LAYOUT.settled(TENANT, call_id)] = Key("string", None, ends)
        for name, (_, _, gone) in self.operations.items():
            ends = Counted(gone - self.now)
            found[LAYOUT.operation(TENANT, name)] = Key("string", None, ends)
        if self.refusals:
            ends = Counted(self.refusals_gone - self.now)
            found[LAYOUT.refusals(TENANT)] = Key("stream", self.refusals, ends)
        return found

    def _operators(self) -> dict[bytes, Key]:
        found: dict[bytes, Key] = {}
        if self.plan:
            found[LAYOUT.tenant(TENANT)] = Key("hash", self.plan)
        for resource, each in self.overrides.items():
            fields = {
                "id": each.id,
                "units": each.units,
                "actor": each.actor,
                "origin": "local",
                "reason": each.reason,
                "created_at": str(each.created),
                "expires_at": "" if each.gone is None else str(each.gone),
                "until": each.until,
            }
            ends = NEVER if each.gone is None else each.gone
            found[LAYOUT.override(TENANT, resource)] = Key("hash", fields, ends)
        if self.listed:
            found[LAYOUT.overrides(TENANT)] = Key("hash", self.listed)
        if self.overridden:
            found[LAYOUT.overridden()] = Key("set", {TENANT})
        if self.undone:
            found[LAYOUT.undone(TENANT)] = Key("hash", self.undone)
        if self.trail:
            found[LAYOUT.audit(TENANT)] = Key("stream", self.trail)
            last = int(self.trail[-1][0].partition("-")[0])
            found[LAYOUT.audited()] = Key("zset", {TENANT: last})
        return found


def actor(wish: Change) -> tuple[str, str]:
    """Return who asks for a change."""
    return ("bob" if wish.undoes else "ada"), "local"


def reason(wish: Change) -> str:
    """Return why."""
    return "was wrong" if wish.undoes else "model"


def in_words(ms: int) -> str:
    """Write a moment as people and the trail do."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    text = at.isoformat(timespec="milliseconds" if ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")


def from_words(moment: str) -> int:
    """Read it back."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
