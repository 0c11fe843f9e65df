"""What somebody needs to be allowed: commands, and the keys to run them on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from meterdeck.core.model.acl.key_family import KeyFamily

Families = frozenset[KeyFamily]


@dataclass(frozen=True, slots=True)
class Needs:
    """Commands that are needed; two of these are put together by `|`.

    Attributes:
        keyless: Commands that name no key.
        reads: Commands that change nothing.
        read: Keys that `reads` are run on: any of them on any.
        writes: Commands that change keys, by the families they are run on. Where one
            command names keys of several families, these stand together.
        declared: Keys that scripts are given, each of which has to be readable and
            writable for the script to begin.
        scripts: Scripts that are run, by their names in the Redis contract.
    """

    keyless: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    read: Families = frozenset()
    writes: tuple[tuple[Families, frozenset[str]], ...] = ()
    declared: Families = frozenset()
    scripts: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        *,
        keyless: str = "",
        reads: str = "",
        read: str = "",
        writes: Mapping[str, str] | None = None,
    ) -> Self:
        """Read needs from words with blanks between them."""
        return cls(
            keyless=frozenset(keyless.split()),
            reads=frozenset(reads.split()),
            read=families(read),
            writes=_merged(
                (families(keys), frozenset(commands.split()))
                for keys, commands in (writes or {}).items()
            ),
        )

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.keyless | other.keyless,
            self.reads | other.reads,
            self.read | other.read,
            _merged((*self.writes, *other.writes)),
            self.declared | other.declared,
            self.scripts | other.scripts,
        )

    @property
    def commands(self) -> frozenset[str]:
        """Every command that is needed, but those that run scripts."""
        written = (commands for _, commands in self.writes)
        return self.keyless.union(self.reads, *written)


def families(names: str) -> Families:
    """Read families' names with blanks between them."""
    return frozenset(map(KeyFamily, names.split()))


def _merged(
    writes: Iterable[tuple[Families, frozenset[str]]],
) -> tuple[tuple[Families, frozenset[str]], ...]:
    found: dict[Families, frozenset[str]] = {}
    for keys, commands in writes:
        found[keys] = found.get(keys, frozenset()) | commands
    return tuple(sorted(found.items(), key=lambda pair: sorted(pair[0])))
