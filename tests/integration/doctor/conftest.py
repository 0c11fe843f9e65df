"""A healthy server and context of its own: each test breaks one thing of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.support.redis_server import running_server

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.context import Context, Mode, RedisOptions
from meterdeck.core.model.diagnosis import Finding, Severity
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import PeriodKind, calendar_month
from meterdeck.core.model.usage import Resource, ResourceName
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.doctor.check import Patient
from meterdeck.core.services.doctor.doctor import Doctor

API = Resource(ResourceName("api_calls"), "API calls", "call")
SEATS = Resource(
    ResourceName("seats"), "Seats", "seat", period=PeriodKind.BILLING_CYCLE
)
SOFT = LimitRule(Enforcement.SOFT)


@dataclass
class Ward:
    """A context that is well, and what its doctor says of it.

    Attributes:
        store: A client that may do everything.
        skew: How far this host's clock is ahead of what it is.
    """

    context: Context
    store: Any
    spool_root: Path
    skew: timedelta = timedelta(0)
    whole_audit: bool = field(default=False)

    async def findings(self) -> dict[str, Finding]:
        """Make every check."""
        client = open_redis(self.context.redis)
        try:
            doctor = Doctor(
                Patient(
                    client,
                    self.context,
                    spool_root=self.spool_root,
                    whole_audit=self.whole_audit,
                    wall=lambda: datetime.now(UTC) + self.skew,
                )
            )
            return {each.name: await doctor.make(each) for each in doctor.checks}
        finally:
            await client.aclose()

    async def wrong(self) -> dict[str, Finding]:
        """Return what is not well."""
        found = await self.findings()
        return {n: f for n, f in found.items() if f.severity is not Severity.OK}

    async def only(self, check: str) -> Finding:
        """Return the one finding that is not well."""
        wrong = await self.wrong()
        assert list(wrong) == [check], wrong
        finding = wrong[check]
        assert finding.why
        assert finding.mend
        return finding

    def as_user(self, name: str, *rights: str) -> None:
        """Have the context use a Redis user with these rights."""
        user = ("reset", "on", ">pw", "~*", *rights)
        self.store.execute_command("ACL", "SETUSER", name, *user)
        options = replace(self.context.redis, url=self.context.redis.url)
        self.context = replace(
            self.context, redis=replace(options, username=name, password=None)
        )

    def count(self, key: str, value: str = "5", ex: int | None = 3_024_000) -> None:
        """Write a counter as an application that uses INCR alone does."""
        self.store.set(key, value, ex=ex)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server that tests may change the settings of."""
    with running_server("valkey", tmp_path_factory.mktemp("doctor")) as running:
        yield running


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Another server, for a test that makes it follow the first."""
    with running_server("valkey", tmp_path_factory.mktemp("replica")) as running:
        yield running


@pytest.fixture
def ward(server: Valkey, tmp_path: Path) -> Iterator[Ward]:
    """A context that is well, with one counter of this month in it."""
    context = Context(
        name="staging",
        mode=Mode.TEST,
        read_only=False,
        redis=RedisOptions(url=server.url, timeout_s=10.0),
        stripe=None,
        resources=(API, SEATS),
        plans={},
    )
    with redis.Redis.from_url(server.url) as store:
        store.flushall()
        well = Ward(context, store, tmp_path / "spool")
        well.count(counter("acme"))
        yield well


def counter(tenant: str, resource: str = "api_calls") -> str:
    """Name a tenant's counter of this month."""
    return f"usage:{tenant}:{resource}:{calendar_month(datetime.now(UTC)).label}"
