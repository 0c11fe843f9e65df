"""Redis's protocol, as far as calls are packed by hand: each part with its length."""

from __future__ import annotations

from collections.abc import Iterable


def bulk(part: bytes) -> bytes:
    """Return one part of a command as it goes over the wire."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def bulks(parts: Iterable[bytes]) -> bytes:
    """Return parts of a command, one after the other."""
    return b"".join(map(bulk, parts))


class NamedBulks:
    """Parts that all have one name in them, written for any name.

    To write them is one `join`, as what stands between the names depends on nothing but
    the name's length.

    Args:
        around: What stands before and after the name in each part.
        ending: Follows the last part as it is.
    """

    def __init__(
        self, around: Iterable[tuple[bytes, bytes]], ending: bytes = b""
    ) -> None:
        self._around = [*around]
        self._ending = ending
        self._between: dict[int, list[bytes]] = {}  # names have 512 bytes at most

    def __len__(self) -> int:
        return len(self._around)

    def of(self, name: bytes) -> bytes:
        """Return the parts with `name` in them."""
        between = self._between.get(len(name))
        if between is None:
            between = self._between[len(name)] = self._made(len(name))
        return name.join(between)

    def _made(self, size: int) -> list[bytes]:
        between, last = [], b""
        for before, after in self._around:
            length = len(before) + size + len(after)
            between.append(b"%b$%d\r\n%b" % (last, length, before))
            last = after + b"\r\n"
        return [*between, last + self._ending]
