"""What the user who asks may do, in words: for the console and for doctor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.model.acl.rights import Right, people_with, role_with
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.text import visible

_NAME = "meterdeck-rights"


@dataclass(frozen=True, slots=True)
class RedisUser:
    """The Redis user of a context.

    Attributes:
        may: What it may do; None: the server does not say.
        role: The role that may just this; empty: none of ours does.
    """

    name: str
    may: tuple[Right, ...] | None = None
    role: str = ""

    @classmethod
    def who_may(cls, name: str, may: Sequence[Right]) -> RedisUser:
        """Return a user of whom the server has said what it may."""
        return cls(name, tuple(may), role_with(frozenset(may)))

    @property
    def unlimited(self) -> bool:
        """Whether it may empty the server: nothing is kept from it."""
        return self.may is not None and Right.ALL in self.may

    def lacks(self, right: Right) -> bool:
        """Tell whether it may not; False also where the server does not say."""
        return self.may is not None and right not in self.may and not self.unlimited

    @property
    def changes(self) -> bool:
        """Whether a person as this user may change anything, as far as is known."""
        if self.may is None or self.unlimited:
            return True
        return bool({Right.CHANGE, Right.BILL, Right.ALERTS, Right.ASK} & {*self.may})

    @property
    def short(self) -> str:
        """Return its name, and what it is: for the header."""
        what = "all rights" if self.unlimited else self.role
        name = visible(self.name, 24)
        return f"{name} ({what})" if what else name

    @property
    def words(self) -> str:
        """Return who it is and what it may, in one line."""
        name = visible(self.name, 40)
        if self.may is None:
            return f"{name}; what it may is not told"
        if self.unlimited:
            return f"{name}, who may do everything"
        role = f" ({self.role})" if self.role else ""
        if not self.may:
            return f"{name}{role}, who may only look"
        return f"{name}{role}, who may look, {', '.join(self.may)}"


@dataclass(frozen=True, slots=True)
class Ability:
    """A right, and the commands that stand for it."""

    right: Right
    commands: tuple[Sequence[bytes | str], ...]


def abilities(layout: KeyLayout, name: str) -> tuple[Ability, ...]:
    """Return what may be asked of the user of this name."""
    override, letters = layout.override(_NAME, "r"), layout.letters(_NAME)
    kept = ("SET", layout.operation(_NAME, "id"), "1")
    return (
        Ability(Right.COUNT, (("SET", layout.call(_NAME, "id"), "1"),)),
        Ability(Right.DELIVER, (("HSET", layout.workers(), "id", "1"),)),
        Ability(Right.CHANGE, (kept, ("HSET", override, "units", "1"))),
        Ability(Right.BILL, (kept, ("HDEL", letters, "id"))),
        Ability(Right.ALERTS, (("HSET", layout.alerts(_NAME), "id", "1"),)),
        Ability(Right.ASK, (("RPUSH", layout.requests(name), "{}"),)),
        Ability(Right.SERVE, (("HSET", layout.pending(), "id", "1"),)),
        Ability(Right.USERS, (("ACL", "SETUSER", _NAME),)),
        Ability(Right.ALL, (("FLUSHALL",),)),
    )


def barred(user: RedisUser, right: Right) -> tuple[str, ...]:
    """Return why a user may not do something, and who may: sentences for a person."""
    roles = people_with(right)
    return (
        f"You are Redis user {user.words}. This needs the right to {right}, and without"
        " it Redis refuses, whatever program asks.",
        f"Roles that may: {', '.join(roles)}. Ask somebody who has one of them to do"
        " it; or whoever makes the Redis users here for another role:",
        f"meterdeck acl {roles[0]} --user {visible(user.name, 64)}",
    )
