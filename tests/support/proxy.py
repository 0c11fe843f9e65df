"""A TCP proxy that loses answers: the server has done its work, nobody hears of it."""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

_CHUNK = 65536


class Fault(Enum):
    """What happens to the server's next answer."""

    NONE = "none"
    RESET = "reset"
    """The connection is reset; the connections after it work again."""
    GONE = "gone"
    """The connection is reset and no new one is accepted."""
    SILENCE = "silence"
    """The answer and all later ones are swallowed until `heal`."""


class Blade(Protocol):
    """Decides which connections are cut; told of what passes, in order.

    `connection` is the same number for all that one connection carries.
    """

    def cut_request(self, connection: int, data: bytes) -> bool:
        """Decide about requests on their way: these are lost, with the connection."""

    def cut_answer(self, connection: int, data: bytes) -> bool:
        """Decide about answers on their way."""


@dataclass
class Scissors:
    """Cut connections again and again, at moments that a seed decides.

    A connection's first answer arrives: it greets, and writes nothing.

    Attributes:
        after: Share of the server's answers that are lost, connection and all.
        before: Share of the requests that are lost on their way, with the connection.
        answers: How many answers were lost so far.
        requests: How many requests were.
    """

    seed: int
    after: float = 0.0
    before: float = 0.0
    answers: int = 0
    requests: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # guesses no secret

    def cut_answer(self, _connection: int, _data: bytes) -> bool:
        """Decide about an answer."""
        cut = self._random.random() < self.after
        self.answers += cut
        return cut

    def cut_request(self, _connection: int, _data: bytes) -> bool:
        """Decide about a request."""
        cut = self._random.random() < self.before
        self.requests += cut
        return cut


class Proxy:
    """Stands before a server on TCP; use as `async with Proxy(server.url) as proxy`.

    Attributes:
        faults: How many answers were lost so far.
        lost: Set when the first one was.
        scissors: Cut connections while there are some.
        deaf: Swallow what is asked; connections of that time stay so.
        slow_s: Each piece of a request and of an answer arrives so much later.
    """

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        assert target.hostname
        assert target.port
        self._target = (target.hostname, target.port)
        self._scheme = target.scheme
        self._fault = Fault.NONE
        self._left = 0
        self._passing = 0
        self._server: asyncio.Server | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._replaced: list[tuple[bytes, bytes]] = []
        self.faults = 0
        self.lost = asyncio.Event()
        self.scissors: Blade | None = None
        self.deaf = False
        self.slow_s = 0.0
        self._numbers = count()
        self._wanted: tuple[bytes, ...] = ()
        self._before = False
        self._silent = False
        self._more = 0
        self._doomed: set[int] = set()

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._tasks)

    @property
    def url(self) -> str:
        """Address to give to a client instead of the server's."""
        return f"{self._scheme}://127.0.0.1:{self._port}/0"

    def lose_next_answer(
        self, fault: Fault = Fault.RESET, *, times: int = 1, after: int = 0
    ) -> None:
        """Let the next request reach the server and its answer reach nobody.

        `times` of them, each on its own connection, where it is a reset; `after` so
        many answers that arrive.
        """
        self._passing = after
        self._fault = fault
        self._left = times

    def lose(
        self,
        *needles: bytes,
        before: bool = False,
        times: int = 1,
        silent: bool = False,
    ) -> None:
        """Lose one request that has all of these in it, or else its answer.

        Its connection is reset, or `silent` from then on. That a script is not known
        is no answer: it is sent again. `times` of them, each on its own connection.
        """
        self._wanted, self._before = needles, before
        self._more, self._silent = times - 1, silent

    def _is_wanted(self, data: bytes) -> bool:
        return bool(self._wanted) and all(each in data for each in self._wanted)

    def _lose_one(self) -> None:
        self.faults += 1
        self._wanted = self._wanted if self._more else ()
        self._more -= 1

    def replace(self, old: bytes, new: bytes) -> None:
        """Have the server say something else; as long, for lengths are sent, too."""
        assert len(old) == len(new)
        self._replaced.append((old, new))

    def heal(self) -> None:
        """Let answers through again; connections that were silent stay silent."""
        self._fault = Fault.NONE
        self.deaf = False
        self.slow_s = 0.0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._target)
            try:
                number = next(self._numbers)
                requests = asyncio.create_task(
                    self._requests(number, reader, up_writer, writer)
                )
                try:
                    await self._answers(number, up_reader, writer)
                finally:
                    requests.cancel()
                    await asyncio.gather(requests, return_exceptions=True)
            finally:
                up_writer.close()
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone, or the test is over: so is the connection
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _answers(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        greeted = False
        while data := await reader.read(_CHUNK):
            blade = self.scissors
            if greeted and blade and blade.cut_answer(number, data):
                _reset(writer)
                return
            greeted = True
            if self.slow_s:
                await asyncio.sleep(self.slow_s)
            if number in self._doomed and not data.startswith(b"-NOSCRIPT"):
                self._lose_one()
                if self._silent:
                    continue
                _reset(writer)
                return
            if self._fault is Fault.NONE or self._passing > 0:
                self._passing -= 1
                for old, new in self._replaced:
                    data = data.replace(old, new)
                writer.write(data)
                await writer.drain()
                continue
            self.faults += 1
            self.lost.set()
            if self._fault is not Fault.SILENCE:
                if self._fault is Fault.GONE and self._server:
                    self._server.close()
                self._left -= 1
                if not self._left:
                    self._fault = Fault.NONE
                _reset(writer)
                return

    async def _requests(
        self,
        number: int,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> None:
        greeted = False
        while data := await reader.read(_CHUNK):
            blade = self.scissors
            if greeted and blade and blade.cut_request(number, data):
                _reset(client)
                server.close()
                return
            greeted = True
            if self.slow_s:
                await asyncio.sleep(self.slow_s)
            if self.deaf:
                await reader.read(-1)
                break
            if self._is_wanted(data):
                if self._before:
                    self._lose_one()
                    _reset(client)
                    server.close()
                    return
                self._doomed.add(number)
            server.write(data)
            await server.drain()
        server.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
