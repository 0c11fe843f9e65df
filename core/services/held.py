"""A reservation for as long as a block of code runs."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.model.amounts import check_settled
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.degraded import Degraded


class Held:
    """What a `reserved` block works under.

    Attributes:
        answer: What `reserve` answered. Where it is not `allowed` nothing is held, and
            the block must not do the work.
        used: What `keep` was told; None for all that is reserved.
    """

    def __init__(self, answer: Decision | Degraded) -> None:
        self.answer = answer
        self.used: Mapping[str, int] | None = None

    @property
    def allowed(self) -> bool:
        """Whether the work may be done."""
        return self.answer.allowed

    @property
    def call_id(self) -> str:
        """The id of the reservation."""
        return self.answer.call_id

    def keep(self, amounts: Mapping[str, int]) -> None:
        """Say what is really used, at most what is reserved; the last word counts.

        The rest is given back at the end. A resource that is not named keeps all.

        Raises:
            BadInput: An amount is none.
        """
        check_settled(amounts)
        self.used = dict(amounts)
