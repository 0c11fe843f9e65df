"""The file that an account is kept in: SQLite, one transaction a request."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from meterdeck.core.errors import ConfigError

FORMAT = 1
"""Raised when what is written changes so that older files cannot be read."""
_OURS = 0x6D647374
_MOVE = "move it away, and the sandbox starts anew"
_TABLES = """
CREATE TABLE rows (
    part TEXT, id TEXT, place INTEGER, body TEXT, PRIMARY KEY (part, id)
) WITHOUT ROWID;
CREATE TABLE places (
    part TEXT, place INTEGER, body TEXT, PRIMARY KEY (part, place)
) WITHOUT ROWID;
CREATE TABLE usage (
    sequence INTEGER PRIMARY KEY, meter TEXT, customer TEXT, timestamp INTEGER,
    value TEXT, received TEXT, identifier TEXT, event_name TEXT, cancelled_at TEXT
);
"""


class Database:
    """One open file; nobody else can open it meanwhile.

    What was committed outlives the process, even one that is killed; the machine's
    own end may cost the last moments.

    Raises:
        ConfigError: It cannot be opened, is in use, or is of another kind or version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Before SQLite makes it: what it holds is nobody else's business.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(str(path), f"cannot be opened: {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error
        except ConfigError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close it; what is not committed is lost."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything within, or nothing.

        Raises:
            sqlite3.Error: The disk is full, for one; nothing was written.
        """
        self._connection.execute("BEGIN")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # it may have ended by itself
                self._connection.execute("ROLLBACK")
            raise

    def many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run a statement for each row."""
        self._connection.executemany(sql, rows)

    def all(self, sql: str, *values: object) -> Iterator[tuple[str, ...]]:
        """Yield what a query finds."""
        yield from self._connection.execute(sql, values)

    def number(self, sql: str, *values: object) -> int:
        """Return the one number that a query finds, 0 for none."""
        (found,) = self._connection.execute(sql, values).fetchone()
        return int(found or 0)

    def unreadable(self, why: str) -> ConfigError:
        """Return the complaint that the file is of another version."""
        return ConfigError(
            str(self.path), f"was written by another version of meterdeck: {why}", _MOVE
        )

    def _prepare(self) -> None:
        execute = self._connection.execute
        # One process has it for itself; a killed one leaves no lock behind.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = OFF")
        execute("BEGIN EXCLUSIVE")
        owner = self.number("PRAGMA application_id")
        version = self.number("PRAGMA user_version")
        if not self.number("SELECT count(*) FROM sqlite_master"):
            execute("COMMIT")
            self._connection.executescript(
                f"BEGIN; PRAGMA application_id = {_OURS};"
                f" PRAGMA user_version = {FORMAT}; {_TABLES} COMMIT;"
            )
            return
        execute("COMMIT")
        if owner != _OURS:
            raise ConfigError(str(self.path), "is no local Stripe's state", _MOVE)
        if version != FORMAT:
            raise self.unreadable(f"it is of format {version}, this one has {FORMAT}")

    def _unusable(self, error: sqlite3.Error) -> ConfigError:
        if "locked" in str(error):
            return ConfigError(
                str(self.path),
                "is in use by another sandbox",
                "end that one, or name another folder",
            )
        return ConfigError(str(self.path), f"cannot be read: {error}", _MOVE)
