"""What came of a request that was carried out."""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.errors import Refused


class NobodyKnows(Refused):
    """Whether it was done can only be found out by a person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change did.

    Attributes:
        says: One sentence.
        before: For a person; empty where it was of many.
        result: By the contract's names.
    """

    says: str
    before: str
    after: str
    result: dict[str, object]
