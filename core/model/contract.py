"""Versions of the Redis contract, and who may write which; docs/redis-contract.md."""

from __future__ import annotations

from dataclasses import dataclass

OURS = 2
"""The version that this program writes, and the newest that it understands."""
UNSTORED = 1
"""Of a database that does not say: version 1 did not write its number down."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a database says of itself.

    Attributes:
        version: The newest version that has written its keys' shapes here.
        writers: The oldest version whose programs may write; others only read.
        upgraded_at: When it got this version, ms since 1970; 0: it never did.
        upgrading: The version that an upgrade is on the way to; 0: none is.
    """

    version: int = UNSTORED
    writers: int = UNSTORED
    upgraded_at: int = 0
    upgrading: int = 0


def why_not_writing(found: Contract, ours: int = OURS) -> str:
    """Return one sentence that says why a program may not write, or nothing."""
    if found.writers <= ours:
        return ""
    return (
        f"this database is of Redis contract {found.version}, which only programs of"
        f" contract {found.writers} or later may write; this one knows {ours}:"
        " it only reads, so install a newer meterdeck"
    )
