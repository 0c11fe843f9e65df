"""How a user of a server differs from what a role needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meterdeck.core.model.acl.user_rules import UserRules


@dataclass(frozen=True, slots=True)
class SeenUser:
    """A user as a server has it.

    Attributes:
        rules: Single rules, and selectors in brackets, their rules in order.
        password_hashes: SHA-256 of each of its passwords.
        nopass: Whether anybody may log in as it.
    """

    rules: frozenset[str]
    on: bool
    nopass: bool
    password_hashes: frozenset[str]


@dataclass(frozen=True, slots=True)
class UserDifference:
    """What applying a user's rules would change on one server.

    Attributes:
        server: Which of several; empty where there is one.
        new: The user is not there yet.
        switched_on: It is there and may not log in; it will.
        added, removed: Rules that it gets and loses.
        password: It gets another password.
        locked: It has no password, and gets none: nobody can log in as it.
        open: Anybody can log in as it, and will be able to.
    """

    user: str
    server: str = ""
    new: bool = False
    switched_on: bool = False
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    password: bool = False
    locked: bool = False
    open: bool = False

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return bool(
            self.new or self.switched_on or self.added or self.removed or self.password
        )


def rules_seen(commands: str, keys: str, channels: str) -> tuple[str, ...]:
    """Return rules as a server tells them; that nothing else is allowed is not said."""
    words = (*commands.split(), *keys.split(), *channels.split())
    return tuple(sorted(set(words) - {"-@all"}))


def in_brackets(rules: Iterable[str]) -> str:
    """Write a selector so that two that allow the same are the same text."""
    return f"({' '.join(sorted(set(rules) - {'-@all'}))})"


def difference_of(
    wanted: UserRules, seen: SeenUser | None, server: str = ""
) -> UserDifference:
    """Compare a user with what it is to be."""
    selectors = map(in_brackets, wanted.selectors)
    rules = frozenset((*wanted.commands, *wanted.keys, *selectors))
    held = seen.rules if seen else frozenset()
    hashes = seen.password_hashes if seen else frozenset()
    own = frozenset({wanted.password_hash} - {""})
    is_open = seen is not None and seen.nopass
    return UserDifference(
        wanted.name,
        server,
        new=seen is None,
        switched_on=seen is not None and not seen.on,
        added=tuple(sorted(rules - held)),
        removed=tuple(sorted(held - rules)),
        password=bool(own) and (own != hashes or is_open),
        locked=not (own or hashes or is_open),
        open=is_open and not own,
    )
