"""Keeps one account on disk: takes it up, and writes each request's changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from meterdeck.core.local_stripe.idempotency import IdempotencyKeys
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.state.database import Database
from meterdeck.core.local_stripe.state.part import Part, Places
from meterdeck.core.local_stripe.state.parts import parts_of
from meterdeck.core.local_stripe.state.usage_rows import (
    forget_usage,
    restore_usage,
    save_usage,
)
from meterdeck.core.local_stripe.world import World, nobody_keeps

Keys: TypeAlias = Mapping[str, IdempotencyKeys]
_ACCOUNT = "account"
_PUT = "INSERT OR REPLACE INTO places VALUES (?, ?, ?)"
_PLACES = "SELECT body FROM places WHERE part = ? ORDER BY place"
_PARTS = "SELECT DISTINCT part FROM rows UNION SELECT DISTINCT part FROM places"


def kept_parts(world: World, keys: Keys) -> list[Part]:
    """Return every attribute of an account that is kept.

    `keys` are by the name they are kept under.

    Raises:
        TypeError: One cannot be kept, and nobody said why not.
    """
    holders = {"": world, "events.": world.events, "reports.": world.reports}
    named = {f"{name}.": each for name, each in keys.items()}
    return parts_of({**holders, **named})


class Keeper:
    """Holds the file open; `save` is called at the end of each request.

    Attributes:
        restored: Whether the file held an account, which is now in the world.

    Raises:
        ConfigError: The file cannot be used; see `Database`.
    """

    def __init__(self, path: Path, world: World, keys: Keys) -> None:
        self._world = world
        self._parts = kept_parts(world, keys)
        self._postponed, self._run = 0, 0
        self._database = Database(path)
        try:
            self.restored = self._restore()
        except (ValidationError, LocalStripeRefusal, ValueError, ArithmeticError) as no:
            self._database.close()
            raise self._database.unreadable("something in it cannot be read") from no
        except BaseException:
            self._database.close()
            raise
        self._new = not self.restored
        for each in keys.values():
            each.forget_running()
        self._places = Places(self._database.number("SELECT max(place) FROM rows"))
        world.save = self.save

    def close(self) -> None:
        """Write what is not written yet, and close the file."""
        try:
            self.save()
        finally:
            self._world.save = nobody_keeps
            self._database.close()

    def save(self) -> None:
        """Write everything that changed since, in one transaction.

        Raises:
            sqlite3.Error: It cannot be written; the next call tries again.
        """
        if self._postponed:
            return
        database = self._database
        with database.transaction():
            if self._new:
                self._write_account()
            for part in self._parts:
                part.save(database, self._places)
            save_usage(self._world.usage, database)
        for part in self._parts:
            part.saved()
        self._new, self._world.usage.changes = False, []

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Write what happens within at its end; where it fails, nothing of it."""
        self._postponed += 1
        try:
            yield
        except BaseException:
            # For good: what is half done is not to be found at the next start.
            self._postponed += 1
            raise
        finally:
            self._postponed -= 1
        self.save()

    def _restore(self) -> bool:
        """Take over what the file holds; tell whether it held an account."""
        database = self._database
        known = {part.name for part in self._parts} | {_ACCOUNT}
        strange = {name for (name,) in database.all(_PARTS)} - known
        if strange:
            raise database.unreadable(f"it holds {', '.join(sorted(strange))}")
        restored = self._resume_account()
        for part in self._parts:
            part.restore(database)
        self._world.events.restored()
        now, usage = self._world.now(), self._world.usage
        restore_usage(usage, database, self._world.meters.get, now)
        if restored:
            # Only now: a file that is refused is left as it is.
            with database.transaction():
                self._write_account()
                forget_usage(database, now)
        return restored

    def _resume_account(self) -> bool:
        """Go on with the account's ids; tell whether there are any."""
        kept = [body for (body,) in self._database.all(_PLACES, _ACCOUNT)]
        if not kept:
            return False
        account, owner, run = kept
        self._run = int(run) + 1
        self._world.ids.resume(account, owner, self._run)
        return True

    def _write_account(self) -> None:
        ids = self._world.ids
        rows = enumerate((ids.account, ids.owner, str(self._run)))
        self._database.many(_PUT, [(_ACCOUNT, place, body) for place, body in rows])
