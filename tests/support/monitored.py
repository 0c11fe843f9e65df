"""Every command that a server runs, with those inside scripts, as MONITOR tells it."""

import codecs
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import UnixDomainSocketConnection

from meterdeck.core.sandbox.valkey import Valkey

_LINE = re.compile(r"[0-9.]+ \[\d+ ([^\]]+)\] ")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
Words = tuple[bytes, ...]


@dataclass
class Ran:
    """A command from outside, and what it ran inside where it was a script."""

    words: Words
    inside: list[Words] = field(default_factory=list)

    @property
    def every(self) -> list[Words]:
        """The command and those inside."""
        return [self.words, *self.inside]


@asynccontextmanager
async def monitored(server: Valkey) -> AsyncIterator[list[Ran]]:
    """Write down what runs during the block; it is there when the block is over."""
    found: list[Ran] = []
    watcher = UnixDomainSocketConnection(path=str(server.socket), socket_timeout=10)
    other = UnixDomainSocketConnection(path=str(server.socket), socket_timeout=10)
    await watcher.connect()  # type: ignore[no-untyped-call]  # the library's
    await watcher.send_command("MONITOR")
    await watcher.read_response()
    try:
        yield found
        await other.connect()  # type: ignore[no-untyped-call]  # the library's
        await other.send_command("ECHO", "that is all")
        await other.read_response()
        while True:
            line = (await watcher.read_response()).decode("utf-8", "surrogateescape")
            words = _words(line)
            if words == (b"ECHO", b"that is all"):
                return
            where = _LINE.match(line)
            assert where is not None, line
            if where[1] == "lua":
                found[-1].inside.append(words)
            else:
                found.append(Ran(words))
    finally:
        await watcher.disconnect()
        await other.disconnect()


def _words(line: str) -> Words:
    return tuple(
        codecs.escape_decode(each.encode("latin-1", "replace"))[0]
        for each in _WORD.findall(line)
    )
