"""How much of a processor core the sweep takes: little where all changes are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from meterdeck.core.model.usage import TenantId

_CALM = 0.03
"""Of the share, so much once a whole sweep has found nothing that was not told."""


class SweepNeed:
    """Compares what the sweep finds with what the change index tells.

    A program that counts by the scripts tells of each change: then the sweep has
    nothing to find, and need not hurry. One that writes plain `INCR` tells nothing, and
    what it counts is seen when the sweep comes by.

    Args:
        share: Of a core, the most that the sweep may take.
        indexed: Whether there is an index at all.
    """

    def __init__(self, share: float, *, indexed: bool = True) -> None:
        self._share = share
        self._indexed = indexed
        self._calm = False
        self._silent = True
        self._open: set[TenantId] = set()

    @property
    def share(self) -> float:
        """Of a core, what the sweep may take now."""
        return self._share * (_CALM if self._calm else 1.0)

    @property
    def calm(self) -> bool:
        """Whether a whole sweep has found nothing that was not told."""
        return self._calm

    def found(self, tenants: Iterable[TenantId]) -> None:
        """Note tenants whose counters the sweep found to be others than before."""
        self._open.update(tenants)

    def told(self, tenants: Collection[TenantId], *, whole: bool) -> None:
        """Note what the index has told since; the sweep may have been before it.

        Args:
            whole: Whether this is all it has to tell now.
        """
        if not self._open:
            return
        self._open.difference_update(tenants)
        if self._open and whole:
            self._calm = self._silent = False
            self._open.clear()

    def through(self) -> None:
        """Note that every counter has been read since the last time."""
        self._calm = self._silent and self._indexed
        self._silent = True

    def restart(self) -> None:
        """Begin as at first: everything there may be another's."""
        self._calm, self._silent = False, True
        self._open.clear()
