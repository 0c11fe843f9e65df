"""What operators change of what is billed, and what that did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Corrected:
    """A change of a billing record, with the record after it.

    Attributes:
        units: What it was about: an event's units, or what was added.
        replayed: It was done before, by the same operation id.
    """

    units: int
    offset: int
    reported: int
    parked: int
    audit_id: str
    replayed: bool
