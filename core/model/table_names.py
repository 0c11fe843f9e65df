"""Names of tables for what has a name of its own: valid, unique, the same each time."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Set

MOST = 64
_DIGEST = 6
_VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_OTHERS = re.compile(r"[^A-Za-z0-9]+")


def table_names(
    wanted: Mapping[str, str], taken: Set[str] = frozenset()
) -> dict[str, str]:
    """Return a table's name for each identity, given the name it would like.

    A name that is valid is kept where nobody else wants it; others get the letters
    and digits they have, and a digest of their identity where that is not unique.
    """
    short = {identity: table_name(name) for identity, name in wanted.items()}
    wanting: dict[str, list[str]] = {}
    for identity in sorted(wanted):
        wanting.setdefault(short[identity], []).append(identity)
    owners = {name: _owner(name, who, wanted) for name, who in wanting.items()}
    used = {name for name, owner in owners.items() if owner} | taken
    return {
        identity: name
        if owners[name] == identity and name not in taken
        else _digested(name, identity, used)
        for identity, name in short.items()
    }


def _owner(name: str, who: list[str], wanted: Mapping[str, str]) -> str | None:
    """Return who gets a name: the only one, or the first whose very name it is."""
    if not name:
        return None
    exact = [identity for identity in who if wanted[identity] == name]
    return who[0] if len(who) == 1 else next(iter(exact), None)


def table_name(name: str) -> str:
    """Return a name that a table may have; empty where nothing is left of it."""
    if is_table_name(name):
        return name
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _OTHERS.sub("_", ascii_only).strip("_").lower()[:MOST].rstrip("_")


def is_table_name(name: str) -> bool:
    """Tell whether a table may be called so."""
    return len(name) <= MOST and _VALID.fullmatch(name) is not None


def _digested(name: str, identity: str, used: Set[str]) -> str:
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    for length in range(_DIGEST, len(digest)):
        room = MOST - length - 1
        made = "_".join(filter(None, (name[: max(room, 0)], digest[:length])))
        if made not in used:
            return made
    raise AssertionError("fifty digests of one name are taken")
