"""What an application asked for and was told, written down before and after each call.

A line is written in one piece and never taken back, so that a process that is killed
leaves at most one torn line, and calls that it was never told the end of.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any


class Kind(StrEnum):
    """What was asked for."""

    CONSUME = "consume"
    RESERVE = "reserve"
    TRACK = "track"
    GAUGE = "gauge"
    RELEASE = "release"
    CONFIRM = "confirm"
    INCR = "incr"


class Told(StrEnum):
    """What became of it, as far as the application was told."""

    DONE = "done"
    REFUSED = "refused"
    """By a limit."""
    SPOOLED = "spooled"
    """Allowed, and counted later."""
    FULL = "no room"
    """Refused, as its disk holds all that it may."""
    NOT_COUNTED = "not counted"
    """Refused for want of Redis."""
    UNKNOWN = "unknown"
    """Nobody said, and nobody can be asked: INCR has no id."""
    GONE = "gone"
    """Nothing was left to settle."""


@dataclass(slots=True)
class Entry:
    """A call; `told` is None while its end is not known.

    Attributes:
        units: By resource: what was asked for; of a gauge its level, of a settlement
            what its call took.
        doubtful: Whether it was asked before, and may have been done.
        given: By resource, what a settlement, or the end of a reservation, gave back.
    """

    kind: Kind
    call_id: str
    tenant: str
    units: Mapping[str, int]
    told: Told | None = None
    given: Mapping[str, int] = field(default_factory=dict)
    doubtful: bool = False

    @property
    def counts(self) -> bool:
        """Whether its units are in the counter, or will be."""
        return self.told in (Told.DONE, Told.SPOOLED)


class Journal:
    """The journal of one application, however often it is started again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def asked(self, entry: Entry) -> None:
        """Note what is about to be asked."""
        self._write(
            {
                "ask": entry.kind,
                "id": entry.call_id,
                "tenant": entry.tenant,
                "units": dict(entry.units),
            }
        )

    def told(self, entry: Entry, told: Told, given: Mapping[str, int]) -> None:
        """Note the answer."""
        self._write(
            {"end": entry.kind, "id": entry.call_id, "told": told, "given": given}
        )

    def entries(self) -> dict[tuple[str, Kind], Entry]:
        """Return every call so far: by id, and whether it is a call or a settlement."""
        found: dict[tuple[str, Kind], Entry] = {}
        for line in self._lines():
            if "ask" in line:
                kind = Kind(line["ask"])
                entry = Entry(kind, line["id"], line["tenant"], line["units"])
                found.setdefault((entry.call_id, kind), entry)
            else:
                entry = found[line["id"], Kind(line["end"])]
                entry.told, entry.given = Told(line["told"]), line["given"]
        return found

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                with suppress(ValueError):  # it was torn
                    yield json.loads(line)

    def _write(self, fact: dict[str, object]) -> None:
        if self._file is None:
            # A torn line of the process before ends here.
            self._file = self._path.open("ab", buffering=0)
            self._file.write(b"\n")
        self._file.write(json.dumps(fact).encode() + b"\n")


@dataclass
class Account:
    """What all applications were told.

    Attributes:
        sure: Units that are in a counter, by tenant and resource.
        perhaps: Units of which nobody was told, of programs that cannot ask.
        levels: The last reading of each gauge.
        told: How many calls ended how, by kind.
        open: Calls whose end is not known.
    """

    sure: Counter[tuple[str, str]] = field(default_factory=Counter)
    perhaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    levels: dict[tuple[str, str], int] = field(default_factory=dict)
    told: Counter[tuple[Kind, Told]] = field(default_factory=Counter)
    open: list[Entry] = field(default_factory=list)

    def add(self, entries: Mapping[tuple[str, Kind], Entry]) -> None:
        """Take in what one application was told."""
        for entry in entries.values():
            if entry.told is None:
                self.open.append(entry)
            else:
                self.told[entry.kind, entry.told] += 1
                if entry.told is Told.GONE and (entry.call_id, Kind.RESERVE) in entries:
                    entry.given = entry.units  # its time was over: by itself
                self._book(entry)

    def put_aside(
        self, entries: Mapping[tuple[str, Kind], Entry], call: str, kind: str
    ) -> None:
        """Take back a call that was kept on disk and could not be counted after all.

        A settlement that came too late changes nothing: its reservation had given
        everything back by itself.
        """
        of = {"use": Kind.CONSUME, "reading": Kind.GAUGE}
        entry = entries[call, of.get(kind) or Kind(kind)]
        for resource, units in entry.units.items():
            self.sure[entry.tenant, resource] -= units - entry.given.get(resource, 0)

    def _book(self, entry: Entry) -> None:
        for resource, units in entry.units.items():
            key = entry.tenant, resource
            match entry.kind:
                case Kind.GAUGE:
                    if entry.counts:
                        self.levels[key] = units
                case Kind.RELEASE | Kind.CONFIRM:
                    self.sure[key] -= entry.given.get(resource, 0)
                case _:
                    self.sure[key] += units if entry.counts else 0
                    self.perhaps[key] += units if entry.told is Told.UNKNOWN else 0
