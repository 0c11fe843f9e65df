"""The server's own limit where `redis-benchmark` is not installed.

A process of its own that does nothing but send pipelines packed beforehand and
count replies. Reads one JSON object from stdin (socket, connections, depth,
requests, commands) and prints replies a second.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import hiredis

_CHUNK = 65_536


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    reader: hiredis.Reader = field(default_factory=hiredis.Reader)
    waiting: int = 0

    def send(self, pipeline: bytes, depth: int) -> None:
        self.socket.sendall(pipeline)
        self.waiting = depth

    def receive(self) -> int:
        self.reader.feed(self.socket.recv(_CHUNK))
        count = 0
        while (reply := self.reader.gets()) is not False:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
            count += 1
        self.waiting -= count
        return count


def measure(
    path: str, connections: int, depth: int, requests: int, pipelines: Iterator[bytes]
) -> float:
    """Keep `connections` × `depth` commands in flight; return replies a second."""
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        link = socket.socket(socket.AF_UNIX)
        link.connect(path)
        selector.register(link, selectors.EVENT_READ, _Connection(link))
    started = time.perf_counter()
    for key in selector.get_map().values():
        key.data.send(next(pipelines), depth)
    done = 0
    while done < requests:
        for key, _ in selector.select():
            done += key.data.receive()
            if not key.data.waiting:
                key.data.send(next(pipelines), depth)
    return done / (time.perf_counter() - started)


def pack(commands: Sequence[Sequence[str]], depth: int) -> Iterator[bytes]:
    """Return the commands as pipelines of `depth`, over and over."""
    packed = [_packed(command) for command in commands]
    usable = len(packed) - len(packed) % depth
    return cycle([b"".join(packed[at : at + depth]) for at in range(0, usable, depth)])


def _packed(command: Sequence[str]) -> bytes:
    words = [word.encode() for word in command]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"*%d\r\n%b" % (len(words), b"".join(parts))


def main() -> None:
    """Measure what stdin asks for."""
    asked = json.load(sys.stdin)
    depth = asked["depth"]
    pipelines = pack(asked["commands"], depth)
    print(
        measure(
            asked["socket"], asked["connections"], depth, asked["requests"], pipelines
        )
    )


if __name__ == "__main__":
    main()
