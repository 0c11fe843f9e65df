"""One attribute of the account that is kept."""

from __future__ import annotations

from typing import Protocol

from meterdeck.core.local_stripe.state.database import Database


class Places:
    """Counts the rows that are written: they are read in this order."""

    def __init__(self, last: int) -> None:
        self.last = last

    def next(self) -> int:
        """Return the place of another row."""
        self.last += 1
        return self.last


class Part(Protocol):
    """One attribute that is kept."""

    name: str

    def restore(self, database: Database) -> None:
        """Take over what the file holds, and watch for changes from here on.

        Raises:
            pydantic.ValidationError: It holds something else.
        """

    def save(self, database: Database, places: Places) -> bool:
        """Write what changed; tell whether anything had."""

    def saved(self) -> None:
        """Forget what was written: it is committed."""
