"""Real servers for tests: the bundled Valkey, and Redis 7 where it is installed."""

import asyncio
import os
import shutil
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from meterdeck.core.sandbox.valkey import Valkey, bundled_binary

KINDS = ("valkey", "redis7")


@contextmanager
def running_server(kind: str, data_dir: Path) -> Iterator[Valkey]:
    """Run a server of `kind` in `data_dir`, outside any test's event loop."""
    server = Valkey(
        data_dir=data_dir,
        binary=_binary(kind),
        # DEBUG freezes the server in tests; no fsync, nothing here outlives a test.
        settings={"enable-debug-command": "local", "appendfsync": "no"},
    )
    _run(server.start())
    try:
        yield server
    finally:
        _run(server.stop())


def _binary(kind: str) -> Path:
    if kind == "valkey":
        return bundled_binary()
    if found := shutil.which("redis-server"):
        return Path(found)
    if os.environ.get("METERDECK_REQUIRE_ALL") == "1":
        pytest.fail("redis-server is not on PATH and METERDECK_REQUIRE_ALL is 1")
    pytest.skip("redis-server is not on PATH")


def _run(work: Coroutine[Any, Any, None]) -> None:
    # asyncio.run would take away the current loop, which is pytest-asyncio's.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
