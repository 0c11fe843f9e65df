"""A healthy server and context of its own: each test breaks one thing of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.support.redis_server import running_server
from tests.support.stripe_account import Seller

from meterdeck.core.adapters.redis_client import open_redis, server_time
from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import RedisRefused
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.model.context import (
    Context,
    Mode,
    RedisOptions,
    Secret,
    StripeOptions,
)
from meterdeck.core.model.diagnosis import Finding, Severity
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import PeriodKind, calendar_month
from meterdeck.core.model.usage import Resource, ResourceName
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.doctor.check import Patient, Places
from meterdeck.core.services.doctor.doctor import Doctor
from meterdeck.core.services.sync.share import Share

KEY = "sk_test_doctor"
API = Resource(ResourceName("api_calls"), "API calls", "call", meter="api_requests")
SEATS = Resource(
    ResourceName("seats"), "Seats", "seat", period=PeriodKind.BILLING_CYCLE
)
SOFT = LimitRule(Enforcement.SOFT)
TEXTS = [each.text for each in script_texts().values()]


@dataclass
class Account:
    """A local Stripe in a thread of its own that sells one meter's usage.

    Attributes:
        ahead: How far its clock is ahead.
    """

    ahead: timedelta = timedelta(0)
    base_url: str = ""

    def __post_init__(self) -> None:
        self.local = LocalStripe(api_key=KEY, now=self._now)
        self.seller = Seller(self.local)
        self.meter = self.seller.meter()
        self.product = self.seller.product()
        self.price = self.seller.metered_price(self.meter, self.product)
        self.fee = self.seller.licensed_price(self.product)
        self.acme = self.customer("acme")
        self.seller.subscription(self.acme, self.price)

    def customer(self, tenant: str) -> str:
        """Create a tenant's customer."""
        return self.seller.customer(tenant, metadata={"tenant": tenant})

    def call(self, method: str, path: str, **sent: object) -> dict[str, Any]:
        """Ask it as a client does."""
        return dict(self.local.call(method, path, sent))

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Ward:
    """A context that is well, and what its doctor says of it.

    Attributes:
        store: A client that may do everything.
        skew: How far this host's clock is ahead of what it is.
        worker: What a worker says of itself; None for no worker.
        key_problem: Why Stripe's key cannot be used.
        limit_s: Seconds for one check.
        asked: About how many customers Stripe is asked singly.
    """

    context: Context
    store: Any
    places: Places
    account: Account
    skew: timedelta = timedelta(0)
    whole: bool = False
    worker: dict[str, object] | None = field(default_factory=dict)
    key_problem: str = ""
    limit_s: float = 10.0
    asked: int = 100

    @asynccontextmanager
    async def doctor(self) -> AsyncIterator[Doctor]:
        """Open a doctor for a moment."""
        client = open_redis(self.context.redis)
        stripe = None if self.key_problem else self.context.stripe
        gateway = StripeGateway(stripe, self.context.mode) if stripe else None
        try:
            await self.beat()
            patient = Patient(
                client,
                self.context,
                places=self.places,
                gateway=gateway,
                key_problem=self.key_problem,
                whole=self.whole,
                asked=self.asked,
                wall=lambda: datetime.now(UTC) + self.skew,
            )
            yield Doctor(patient, limit_s=self.limit_s)
        finally:
            await client.aclose()
            if gateway is not None:
                await gateway.close()

    async def findings(self, *names: str, fix: bool = False) -> dict[str, Finding]:
        """Make every check, or these; with `fix` mend what can be, and look again."""
        async with self.doctor() as doctor:
            checks = doctor.checks(names)
            found = {each.name: await doctor.make(each) for each in checks}
            if fix:
                for each in checks:
                    for change in await doctor.changes(each):
                        await change.make()
                    found[each.name] = await doctor.again(each)
            return found

    async def wrong(self, *names: str) -> dict[str, Finding]:
        """Return what is not well."""
        found = await self.findings(*names)
        return {n: f for n, f in found.items() if f.severity is not Severity.OK}

    async def only(self, check: str) -> Finding:
        """Return the one finding that is not well."""
        wrong = await self.wrong()
        assert list(wrong) == [check], wrong
        finding = wrong[check]
        assert finding.why
        assert finding.mend
        return finding

    async def read_stripe(self) -> None:
        """Bring the directory in Redis up to date, as a worker does."""
        assert self.context.stripe is not None
        client = open_redis(self.context.redis)
        gateway = StripeGateway(self.context.stripe, self.context.mode)
        try:
            await Directory(client, self.context, gateway).refresh()
        finally:
            await gateway.close()
            await client.aclose()

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

    async def beat(self) -> None:
        """Say that a worker is alive, or was."""
        if self.context.stripe is None:
            return
        layout = self.context.redis.layout
        url = self.store.connection_pool.connection_kwargs
        admin = open_redis(
            RedisOptions(url=f"redis://{url['host']}:{url['port']}/0", timeout_s=10.0)
        )
        try:
            share = Share(admin, layout, "worker-1", 6.0)
            now = await server_time(admin)
            with suppress(RedisRefused):  # a server that takes no writes is a test's
                await share.beat(now, self.worker or {}, cursor=0)
                if self.worker is None:
                    await share.leave()
        finally:
            await admin.aclose()


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


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """A local Stripe that serves until the module's tests are over."""
    account, started = Account(), threading.Event()
    loop, end = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with LocalStripeServer(account.local) as running:
            account.base_url = running.base_url
            started.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(30)
    try:
        yield account
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(30)
        loop.close()


@pytest.fixture
def ward(server: Valkey, account: Account, tmp_path: Path) -> Iterator[Ward]:
    """A context without Stripe that is well, with one counter of this month in it."""
    context = Context(
        name="staging",
        mode=Mode.TEST,
        read_only=False,
        redis=RedisOptions(url=server.url, timeout_s=10.0),
        stripe=None,
        resources=(API, SEATS),
        plans={},
    )
    places = Places(tmp_path / "spool", tmp_path / "state", tmp_path / "config.toml")
    with redis.Redis.from_url(server.url) as store:
        store.flushall()
        for text in TEXTS:
            store.script_load(text)
        well = Ward(context, store, places, account)
        well.count(counter("acme"))
        yield well


@pytest.fixture
async def billed_ward(ward: Ward) -> Ward:
    """The same with Stripe, whose customer acme pays for what it uses."""
    stripe = StripeOptions(Secret(KEY), api_base=ward.account.base_url)
    ward.context = replace(ward.context, stripe=stripe)
    await ward.read_stripe()
    await ward.beat()
    return ward


def counter(tenant: str, resource: str = "api_calls") -> str:
    """Name a tenant's counter of this month."""
    return f"usage:{tenant}:{resource}:{calendar_month(datetime.now(UTC)).label}"
