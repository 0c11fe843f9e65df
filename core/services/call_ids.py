"""Ids for calls whose callers give none."""

from __future__ import annotations

from itertools import count
from uuid import uuid4


class CallIds:
    """Ids that nobody else makes: a random one of this client, and a number.

    A random one for each call would take as long as a tenth of the call.
    """

    def __init__(self) -> None:
        self._prefix = uuid4().hex
        self._numbers = count(1)

    def next(self) -> str:
        """Return an id that was not returned before."""
        return f"{self._prefix}-{next(self._numbers)}"
