"""The server of one's own: starts, keeps its data, and never outlives its owner."""

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.errors import ConfigError, RedisUnreachable
from meterdeck.core.model.context import RedisOptions
from meterdeck.core.sandbox import valkey
from meterdeck.core.sandbox.valkey import Valkey, bundled_binary

START_AND_REPORT = """
import asyncio, pathlib, signal, sys
from meterdeck.core.sandbox.valkey import Valkey
server = Valkey(data_dir=pathlib.Path(sys.argv[1]))
asyncio.run(server.start())
print(server.pid, flush=True)
signal.pause()
"""


async def increment(server: Valkey) -> int:
    """Return what INCR answers."""
    client = open_redis(RedisOptions(url=server.url, timeout_s=10.0))
    try:
        return int(await client.incr("n"))
    finally:
        await client.aclose()


@pytest.mark.parametrize("port", [0, None])
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_data_survives_a_stop_and_a_crash(
    tmp_path: Path, port: int | None, end: str
) -> None:
    """Started again, on the same address, with everything it had acknowledged."""
    server = Valkey(data_dir=tmp_path / "a folder", port=port)
    await server.start()
    url = server.url
    assert await increment(server) == 1

    await (server.stop() if end == "stop" else server.kill())
    assert server.pid == 0
    await server.start()

    try:
        assert server.url == url
        assert await increment(server) == 2
    finally:
        await server.stop()


async def test_a_very_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    """A Unix socket's path has a limit; a data directory's has not."""
    async with Valkey(data_dir=tmp_path / ("x" * 120), port=None) as server:
        assert await increment(server) == 1
        short = server.socket
    assert not short.exists()


async def test_the_socket_and_the_data_belong_to_this_user(tmp_path: Path) -> None:
    """Nobody else on the machine can read them."""
    async with Valkey(data_dir=tmp_path / "data", port=None) as server:
        assert server.socket.stat().st_mode & 0o077 == 0
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


async def test_two_servers_cannot_share_data(tmp_path: Path) -> None:
    """The second one is refused and the first goes on."""
    async with Valkey(data_dir=tmp_path) as server:
        with pytest.raises(ConfigError, match="a server that is running"):
            await Valkey(data_dir=tmp_path).start()
        assert await increment(server) == 1


async def test_the_data_stays_locked_while_the_server_lives(tmp_path: Path) -> None:
    """An owner that died does not let a second server in beside the first."""
    async with Valkey(data_dir=tmp_path) as server:
        server._release_lock()  # what the kernel does when the owner dies

        with pytest.raises(ConfigError, match="a server that is running"):
            await Valkey(data_dir=tmp_path).start()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The last line of its log is in the message, and nothing keeps running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Valkey(data_dir=tmp_path, port=taken.getsockname()[1])
        with pytest.raises(RedisUnreachable, match="did not start"):
            await server.start()
    assert server.pid == 0
    await server.start()
    await server.stop()


# The kernel's promise to end a child with its parent (PR_SET_PDEATHSIG); elsewhere
# there is none, and nothing is claimed. CI is Linux.
@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG is Linux's")
async def test_the_server_ends_with_a_killed_owner(tmp_path: Path) -> None:
    """SIGKILL leaves its owner no time to clean up; the kernel does it."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        START_AND_REPORT,
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    assert is_running(pid)

    owner.kill()
    await owner.communicate()

    async with asyncio.timeout(20):
        while is_running(pid):  # noqa: ASYNC110  # another process: nothing to wait on
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_bundled_binary_can_be_run() -> None:
    """It comes with a dependency; nothing has to be installed."""
    assert os.access(bundled_binary(), os.X_OK)


async def rewriting(client: Redis) -> bool:
    """Tell whether the append-only file is being made anew."""
    return bool((await client.info("persistence"))["aof_rewrite_in_progress"])


async def test_a_server_that_reads_a_lot_of_data_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives, and says that it loads: for longer than one that is silent may take."""
    slow = {"key-load-delay": "2000", "loading-process-events-interval-bytes": "1024"}
    server = Valkey(data_dir=tmp_path, settings=slow)
    async with server:
        client = open_redis(RedisOptions(url=server.url, timeout_s=10.0))
        await client.mset({f"key:{number}": "value" for number in range(400)})
        await client.bgrewriteaof()
        async with asyncio.timeout(10):
            while await rewriting(client):  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        monkeypatch.setattr(valkey, "_START_S", 0.3)
        await server.kill()
        began = time.monotonic()
        await server.start()

        assert time.monotonic() - began > 0.3
        assert await client.dbsize() == 400
        await client.aclose()
