"""The library on a server that a test may kill, and on the session's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.metering import library_context
from tests.support.redis_server import WRITTEN_AT_ONCE

from meterdeck.core.model.context import Context
from meterdeck.core.sandbox.valkey import Valkey


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    """Where the clients of a test spool."""
    return tmp_path / "spool"


@pytest.fixture
def context(valkey: Valkey, spool_dir: Path) -> Context:
    """A context on the session's server, which is empty."""
    return library_context(valkey.url, spool_dir)


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Valkey]:
    """A server of this test's own: killed and started as it likes."""
    async with Valkey(data_dir=tmp_path / "valkey", settings=WRITTEN_AT_ONCE) as server:
        yield server
