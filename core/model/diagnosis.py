"""What `meterdeck doctor` finds: one finding a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and will not under some circumstance that the finding names."""
    FAULT = "fault"
    """Something counts wrongly, is refused, or is lost."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look said.

    Attributes:
        found: What there is, in one sentence without a full stop.
        mend: What to do about it; empty where nothing is wrong.
        first: The check to mend first, where it could not be looked at because of it.
    """

    severity: Severity
    found: str
    mend: str = ""
    first: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: Names the check for programs; never changes its meaning.
        title: The same for people.
        why: What goes wrong where it is not as it should be.
        first: As of a verdict.
    """

    check: str
    title: str
    severity: Severity
    found: str
    why: str
    mend: str
    first: str = ""


def ok(found: str) -> Verdict:
    """Return the verdict that nothing is wrong."""
    return Verdict(Severity.OK, found)


def warning(found: str, mend: str) -> Verdict:
    """Return the verdict that something may go wrong."""
    return Verdict(Severity.WARNING, found, mend)


def fault(found: str, mend: str) -> Verdict:
    """Return the verdict that something is wrong."""
    return Verdict(Severity.FAULT, found, mend)


def unknown(found: str, mend: str = "") -> Verdict:
    """Return the verdict that it could not be looked at."""
    return Verdict(Severity.UNKNOWN, found, mend)


def waiting(found: str, first: str) -> Verdict:
    """Return the verdict that it could not be looked at before another check passes.

    Args:
        first: That check; empty where nothing that is mended would help.
    """
    mend = f"mend {first} first" if first else ""
    return Verdict(Severity.UNKNOWN, found, mend, first)


_RANK = (Severity.OK, Severity.UNKNOWN, Severity.WARNING, Severity.FAULT)


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the first of the worst verdicts."""
    return max(verdicts, key=lambda verdict: _RANK.index(verdict.severity))
