"""Fixtures every test may use: servers that run for the whole session."""

import gc
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, settings
from tests.support import leaks
from tests.support.cluster import Cluster, running_cluster
from tests.support.redis_server import KINDS, Place, options_of, run, running_server
from tests.support.sentinels import Sentinels, running_sentinels

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.sandbox.valkey import Valkey

# How long an example takes says how busy the machine is, and nothing of ours.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Thousands of tests, and what they import, are never garbage: looking through them
# again and again was a tenth of the time.
gc.set_threshold(50_000, 10, 10)

# What runs under nohup, or in the background of a script, ignores these, and so do the
# programs it starts; the tests are about what those do when they are told to end.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FIRST = (
    "integration/redis/test_counting_model.py",
    "faults/test_sentinel_failover.py",
    "faults/test_delivery",
    "e2e/test_byte_budget.py",
    "faults/test_failover.py",
    "integration/client/test_killed_process.py",
    "docs/test_runbooks",
    "docs/test_pages.py",
    "tui/test_snapshots.py",
    "tui/test_dialogs.py",
    "integration/sandbox/",
    "integration/redis/test_two_operators.py",
    "integration/redis/test_audit_view.py",
    "integration/cli/test_start.py",
    "e2e/",
    "tui/",
)
"""What takes longest, so that no process is left with it when the others are done."""


leaks.watch()


def pytest_configure(config: pytest.Config) -> None:
    """Name our marks."""
    mark = "not_on(*kinds): the test means nothing on these kinds of servers"
    config.addinivalue_line("markers", mark)
    mark = "shows_secrets(why): what the test prints is meant to hold a secret"
    config.addinivalue_line("markers", mark)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that has left a secret in what it printed, logged or wrote."""
    report = yield
    if call.when == "teardown":
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        found = leaks.leaks_of_test(report.sections, folder)
        meant = item.get_closest_marker("shows_secrets") is not None
        if found and report.passed and not meant:
            report.outcome = "failed"
            report.longrepr = "a secret was left in\n  " + "\n  ".join(found)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; within a file nothing moves."""
    items.sort(key=lambda item: _place_in_line(item.nodeid.partition("::")[0]))


def pytest_collection_finish() -> None:
    """Keep the collected tests out of every later search for garbage."""
    gc.freeze()


def _place_in_line(file: str) -> int:
    name = file.removeprefix("tests/")
    places = (place for place, each in enumerate(FIRST) if name.startswith(each))
    return next(places, len(FIRST))


@pytest.fixture(scope="session", autouse=True)
def _state_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what programs remember, and their crashes, apart from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("METERDECK_STATE_DIR", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Look at what servers and programs that tests share have left, after all ends."""
    yield
    found = leaks.leaks_of_session(tmp_path_factory.getbasetemp())
    assert found == [], "a secret was left in a folder of the whole run"


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One Valkey for the session, on TCP; use `valkey` to have it empty."""
    with running_server("valkey", tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One Redis 7 for the session; skips where it is not installed."""
    with running_server("redis7", tmp_path_factory.mktemp("redis7")) as server:
        yield server


@pytest.fixture(scope="session")
def sentinel_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    """A master, its replicas and Sentinels for the session; nobody fails one."""
    with running_sentinels(tmp_path_factory.mktemp("sentinels")) as servers:
        yield servers


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Redis Cluster for the session; nobody fails a node of it."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        run(servers.rely())
        yield servers


@pytest.fixture(scope="session", params=KINDS)
def redis_server(request: pytest.FixtureRequest) -> Valkey:
    """Each kind of server in turn: `.url`, `.socket`, `.pid`."""
    server: Valkey = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture
async def redis(redis_server: Valkey) -> AsyncIterator[Redis]:
    """A client of each kind of server in turn, with nothing in it."""
    async with _empty(redis_server) as client:
        yield client


@pytest.fixture
async def valkey(valkey_server: Valkey) -> Valkey:
    """The Valkey server, with nothing in it; for tests that need just one server."""
    async with _empty(valkey_server):
        return valkey_server


@pytest.fixture
async def valkey_client(valkey: Valkey) -> AsyncIterator[Redis]:
    """A client of `valkey`, with nothing in it."""
    async with _empty(valkey) as client:
        yield client


@asynccontextmanager
async def _empty(server: Valkey | Place) -> AsyncIterator[Redis]:
    client = open_redis(options_of(server))
    try:
        await client.flushall()
        yield client
    finally:
        await client.aclose()
