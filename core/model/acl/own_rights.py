"""What the user who asks may do, in words: for the health screen and for doctor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.text import visible

_NAME = "meterdeck-rights"
_ALL = "everything"


@dataclass(frozen=True, slots=True)
class RedisUser:
    """The Redis user of a context.

    Attributes:
        may: What it may do, of `ABILITIES`; None: the server does not say.
    """

    name: str
    may: tuple[str, ...] | None = None

    @property
    def unlimited(self) -> bool:
        """Whether it may empty the server: nothing is kept from it."""
        return self.may is not None and _ALL in self.may

    @property
    def words(self) -> str:
        """Return who it is and what it may, in one line."""
        name = visible(self.name, 40)
        if self.may is None:
            return f"{name}; what it may is not told"
        if self.unlimited:
            return f"{name}, who may do everything"
        if not self.may:
            return f"{name}, who may only look"
        return f"{name}, who may look, {', '.join(self.may)}"


@dataclass(frozen=True, slots=True)
class Ability:
    """Something a user may be able to do, and the commands that stand for it."""

    words: str
    commands: tuple[Sequence[bytes | str], ...]


def abilities(layout: KeyLayout) -> tuple[Ability, ...]:
    """Return what may be told of a user."""
    override, letters = layout.override(_NAME, "r"), layout.letters(_NAME)
    kept = ("SET", layout.operation(_NAME, "id"), "1")
    return (
        Ability("count", (("SET", layout.call(_NAME, "id"), "1"),)),
        Ability("deliver", (("HSET", layout.workers(), "id", "1"),)),
        Ability("change usage and limits", (kept, ("HSET", override, "units", "1"))),
        Ability("decide about billing", (kept, ("HDEL", letters, "id"))),
        Ability("make users", (("ACL", "SETUSER", _NAME),)),
        Ability(_ALL, (("FLUSHALL",),)),
    )
