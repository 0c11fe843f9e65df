"""Rules of one Redis user: what is printed, applied, and compared with a server's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meterdeck.core.errors import BadInput
from meterdeck.core.model.acl.key_family import list_of, patterns_of
from meterdeck.core.model.acl.needs import Needs
from meterdeck.core.model.acl.roles import ROLES, Role, needs_of
from meterdeck.core.model.acl.server import Server
from meterdeck.core.model.keys import KeyLayout

RIGHTS_SCRIPT = "rights"
"""Name of the script that asks what its own user may do."""

_AFRESH = ("resetkeys", "resetchannels", "clearselectors", "-@all")
_USER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where users are to work.

    Attributes:
        digests: SHA-1 of each script by its name, and of `RIGHTS_SCRIPT`.
    """

    layout: KeyLayout
    server: Server
    digests: Mapping[str, str]
    cluster: bool = False
    database: int = 0


@dataclass(frozen=True, slots=True)
class UserRules:
    """One user.

    Attributes:
        commands: What it may run, as `+command`, on `keys`.
        keys: Patterns it may read, as `%R~pattern`.
        selectors: Rules that hold beside those, each for itself: commands that write
            and the only keys they may be run on.
        password_hash: SHA-256 of its password in hexadecimal; empty: not known here.
    """

    name: str
    role: Role
    commands: tuple[str, ...]
    keys: tuple[str, ...]
    selectors: tuple[tuple[str, ...], ...]
    password_hash: str = ""

    @property
    def rules(self) -> tuple[str, ...]:
        """What the user may do, as arguments of `ACL SETUSER`."""
        selectors = (f"({' '.join(each)})" for each in self.selectors)
        return (*self.commands, *self.keys, *selectors)

    def arguments(self) -> tuple[str, ...]:
        """Return the arguments of the `ACL SETUSER` that makes it so.

        Where there is no hash, the user keeps the passwords it has; a new one has
        none, and nobody can log in as it.
        """
        password = ("resetpass", f"#{self.password_hash}") if self.password_hash else ()
        return (self.name, "on", *password, *_AFRESH, *self.rules)

    def command(self) -> str:
        """Return that command as it is typed into `redis-cli`; nothing needs quotes."""
        return " ".join(("ACL SETUSER", *self.arguments()))

    def file_line(self) -> str:
        """Return the user's line of an ACL file."""
        password = (f"#{self.password_hash}",) if self.password_hash else ()
        words = ("user", self.name, "on", *password, "resetchannels", "-@all")
        return " ".join((*words, *self.rules))


def rules_of(
    role: Role, place: Place, *, name: str = "", password_hash: str = ""
) -> UserRules:
    """Return a user of a role, with no more than the role needs in that place.

    Args:
        name: Of the user; `meterdeck-` and the role's without it.

    Raises:
        BadInput: The name or the hash cannot be written into a rule.
    """
    name = name or f"meterdeck-{role}"
    if not _USER.fullmatch(name):
        raise BadInput(
            f"user {name!r}: 1 to 64 of A-Z a-z 0-9 . _ @ - make a user's name here"
        )
    if name == "default":
        raise BadInput(
            "user default: it is whoever gives no name; give the role one of its own"
        )
    if password_hash and not _HASH.fullmatch(password_hash):
        raise BadInput(
            f"user {name}: a hash is the SHA-256 of the password, 64 digits of 0-9 a-f"
        )
    needs = needs_of(
        role,
        tagged=place.layout.tagged,
        cluster=place.cluster,
        database=place.database,
    )
    commands = sorted(filter(place.server.knows, needs.keyless | needs.reads))
    if needs.read:
        commands.append(f"evalsha_ro|{place.digests[RIGHTS_SCRIPT]}")
    return UserRules(
        name,
        role,
        tuple(f"+{each}" for each in commands),
        tuple(f"%R~{each}" for each in patterns_of(needs.read, place.layout)),
        (
            *_writing(needs, place),
            *_scripted(role, needs, place),
            *_asking(role, name, place.layout),
        ),
        password_hash,
    )


def _writing(needs: Needs, place: Place) -> Sequence[tuple[str, ...]]:
    # Fewer selectors are quicker to look through: those that say the same are one.
    alike: dict[frozenset[str], set[str]] = {}
    for keys, commands in needs.writes:
        alike.setdefault(commands, set()).update(patterns_of(keys, place.layout))
    return sorted(
        (
            *(f"+{each}" for each in sorted(commands)),
            *(f"~{each}" for each in sorted(patterns)),
        )
        for commands, patterns in alike.items()
    )


def _asking(role: Role, name: str, layout: KeyLayout) -> Sequence[tuple[str, ...]]:
    if not ROLES[role].asks:
        return ()
    if not _PERSON.fullmatch(name):
        raise BadInput(
            f"user {name!r}: a list of requests is called as its person is, 1 to 64 of"
            " A-Z a-z 0-9 . _ - that begin with a letter or digit"
        )
    # Only to write: what is appended to it is read by the rules for reading.
    return [("+rpush", f"%W~{list_of(name, layout)}")]


def _scripted(role: Role, needs: Needs, place: Place) -> Sequence[tuple[str, ...]]:
    if not needs.scripts:
        return ()
    if ROLES[role].person:
        digests = (place.digests[each] for each in sorted(needs.scripts))
        runs = tuple(f"+evalsha|{each}" for each in digests)
    else:
        runs = ("+eval", "+evalsha")
    keys = patterns_of(needs.declared, place.layout)
    return [(*runs, *(f"~{each}" for each in keys))]
