"""Names of tables for what has a name of its own: valid, unique, the same each time."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Set

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
    plain = {identity: table_name(name) for identity, name in wanted.items()}
    exact = {plain[each] for each, name in wanted.items() if plain[each] == name}
    liked = Counter(plain.values())
    names = {}
    for identity, name in wanted.items():
        short = plain[identity]
        own = liked[short] == 1 or (short == name and _first(short, wanted) == identity)
        free = short not in taken and (short == name or short not in exact)
        names[identity] = short if own and free else _digested(short, identity)
    return names


def table_name(name: str) -> str:
    """Return a name that a table may have; empty where nothing is left of it."""
    if is_table_name(name):
        return name
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _OTHERS.sub("_", ascii_only).strip("_").lower()[:MOST].rstrip("_")


def is_table_name(name: str) -> bool:
    """Tell whether a table may be called so."""
    return len(name) <= MOST and _VALID.fullmatch(name) is not None


def _first(short: str, wanted: Mapping[str, str]) -> str:
    same: Iterable[str] = (each for each, name in wanted.items() if name == short)
    return min(same)


def _digested(short: str, identity: str) -> str:
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
    room = MOST - _DIGEST - 1
    return "_".join(filter(None, (short[:room], digest[:_DIGEST])))
