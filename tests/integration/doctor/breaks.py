"""One way to break each check alone: broken inside the block, mended after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from tests.integration.doctor.conftest import API, KEY, SEATS, TEXTS, Ward, counter
from tests.support.proxy import Proxy
from tests.support.spooled import call

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import open_root
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, Secret, StripeOptions
from meterdeck.core.model.delivery import Wanted
from meterdeck.core.model.late_errors import LATE_ERRORS
from meterdeck.core.model.usage import CounterId, ResourceName, Tenant, TenantId
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.sync.billable import Billables
from meterdeck.core.services.usage import UsageService

Break = Callable[[Ward], AbstractAsyncContextManager[None]]
ANA = Actor("ana", "local")
BREAKS: dict[str, Break] = {}


def breaks(name: str) -> Callable[[Callable[[Ward], AsyncIterator[None]]], Break]:
    """Note how a check is broken."""

    def note(broken: Callable[[Ward], AsyncIterator[None]]) -> Break:
        BREAKS[name] = asynccontextmanager(broken)
        return BREAKS[name]

    return note


def setting(name: str, **settings: str) -> None:
    """Note that a check is broken by settings of the server."""

    @breaks(name)
    async def broken(ward: Ward) -> AsyncIterator[None]:
        named = {key.replace("_", "-"): value for key, value in settings.items()}
        before = {key: ward.store.config_get(key)[key] for key in named}
        for key, value in named.items():
            ward.store.config_set(key, value)
        try:
            yield
        finally:
            for key, value in before.items():
                ward.store.config_set(key, value)


def elsewhere(name: str, **changes: object) -> None:
    """Note that a check is broken by something in the context."""

    @breaks(name)
    async def broken(ward: Ward) -> AsyncIterator[None]:
        before = ward.context
        ward.context = replace(before, **changes)  # type: ignore[arg-type]  # by name
        yield
        ward.context = before


@asynccontextmanager
async def client_of(context: Context) -> AsyncIterator[Redis]:
    """Open a client for a moment."""
    client = open_redis(context.redis)
    try:
        yield client
    finally:
        await client.aclose()


def stripe_of(ward: Ward) -> StripeOptions:
    """Return how Stripe is reached."""
    assert ward.context.stripe is not None
    return ward.context.stripe


setting("eviction", maxmemory_policy="volatile-lru")
setting("replicas", min_replicas_to_write="1")
elsewhere("meters", resources=(API, replace(SEATS, meter="nowhere")))


@breaks("redis")
async def _redis(ward: Ward) -> AsyncIterator[None]:
    before = ward.context
    away = replace(before.redis, url="redis://127.0.0.1:1/0")
    ward.context = replace(before, redis=away)
    yield
    ward.context = before


@breaks("version")
async def _version(ward: Ward) -> AsyncIterator[None]:
    before = ward.context
    async with Proxy(before.redis.url) as proxy:
        proxy.replace(b"valkey_version:", b"valkey_remark_:")
        proxy.replace(b"redis_version:7.", b"redis_version:6.")
        ward.context = replace(before, redis=replace(before.redis, url=proxy.url))
        yield
    ward.context = before


@breaks("persistence")
async def _persistence(ward: Ward) -> AsyncIterator[None]:
    ward.store.config_set("appendonly", "no")
    ward.store.config_set("save", "")
    yield
    ward.store.config_set("appendonly", "yes")


@breaks("memory")
async def _memory(ward: Ward) -> AsyncIterator[None]:
    ward.store.setrange("ballast", 20_000_000, "x")  # through no buffer of that size
    used = int(ward.store.info("memory")["used_memory"])
    ward.store.config_set("maxmemory", used * 100 // 88)
    yield
    ward.store.config_set("maxmemory", "0")
    ward.store.delete("ballast")


@breaks("clock")
async def _clock(ward: Ward) -> AsyncIterator[None]:
    ward.skew = timedelta(minutes=-20)
    yield
    ward.skew = timedelta(0)


@breaks("rights")
async def _rights(ward: Ward) -> AsyncIterator[None]:
    ward.as_user("app", "nopass", "+@all", "-incrby")
    yield
    ward.as_user("app", "nopass", "+@all")


@breaks("scripts")
async def _scripts(ward: Ward) -> AsyncIterator[None]:
    ward.store.script_flush()
    yield
    for text in TEXTS:
        ward.store.script_load(text)


@breaks("layout")
async def _layout(ward: Ward) -> AsyncIterator[None]:
    stranger = counter("{acme}")
    ward.count(stranger)
    yield
    ward.store.delete(stranger)


@breaks("expiry")
async def _expiry(ward: Ward) -> AsyncIterator[None]:
    ward.store.persist(counter("acme"))
    yield
    ward.store.expire(counter("acme"), 3_024_000)


@breaks("values")
async def _values(ward: Ward) -> AsyncIterator[None]:
    ward.count(counter("acme"), "abc")
    yield
    ward.count(counter("acme"), "5")


@breaks("index")
async def _index(ward: Ward) -> AsyncIterator[None]:
    ward.store.hset("meterdeck:tenant:bolt", "name", "Bolt")
    yield
    ward.store.sadd("meterdeck:tenants", "bolt")


@breaks("reservations")
async def _reservations(ward: Ward) -> AsyncIterator[None]:
    async with client_of(ward.context) as client:
        usage = UsageService(client, ward.context)
        await usage.reserve("acme", {"api_calls": 7}, ttl=timedelta(hours=1))
        label = counter("acme").rpartition(":")[2]
        reserved = f"meterdeck:reserved:acme:api_calls:{label}"
        (member,) = ward.store.zrange(reserved, 0, -1)
        past = int((datetime.now(UTC) - timedelta(minutes=20)).timestamp() * 1000)
        ward.store.zadd(reserved, {member: past})
        ward.store.zadd("meterdeck:reserving", {counter("acme"): past})
        yield
        assert await usage.give_back_expired() == 7


@breaks("overrides")
async def _overrides(ward: Ward) -> AsyncIterator[None]:
    strict = ward.context
    async with client_of(strict) as client:
        lax = OperatorChanges(client, replace(strict, override_needs_expiry=False))
        await lax.set_override(
            "acme", "api_calls", 9, expires_at=None, actor=ANA, reason="x",
            operation_id="one",
        )  # fmt: skip
        yield
        await lax.clear_override(
            "acme", "api_calls", actor=ANA, reason="x", operation_id="two"
        )


@breaks("audit")
async def _audit(ward: Ward) -> AsyncIterator[None]:
    wish = Adjustment(
        TenantId("acme"), ResourceName("api_calls"), AdjustKind.ADD, 1, None,
        Bill.QUOTA_ONLY, "credit",
    )  # fmt: skip
    async with client_of(ward.context) as client:
        changes = OperatorChanges(client, ward.context)
        await changes.adjust(wish, actor=ANA, operation_id="op")
    trail, whole = "meterdeck:audit:acme", ward.store.dump("meterdeck:audit:acme")
    ((place, fields),) = ward.store.xrange(trail)
    ward.store.delete(trail)
    ward.store.xadd(trail, {**fields, b"actor": b"bob"}, id=place)
    yield
    ward.store.restore(trail, 0, whole, replace=True)


@breaks("key")
async def _key(ward: Ward) -> AsyncIterator[None]:
    ward.key_problem = "stripe.api_key: is a live key in a test context"
    yield
    ward.key_problem = ""


@breaks("stripe")
async def _stripe(ward: Ward) -> AsyncIterator[None]:
    before = ward.context
    away = replace(stripe_of(ward), api_base="http://127.0.0.1:1")
    ward.context = replace(before, stripe=away)
    yield
    ward.context = before


@breaks("permissions")
async def _permissions(ward: Ward) -> AsyncIterator[None]:
    before = ward.context
    restricted = replace(stripe_of(ward), api_key=Secret(KEY.replace("sk_", "rk_")))
    ward.context = replace(before, stripe=restricted)

    async def refuse(_method: str, path: str) -> None:
        if path == "/v1/events":
            words = "The provided key does not have the required permissions"
            raise LocalStripeRefusal(f"{words}: 'rak_event_read'.", status=403)

    ward.account.local.pace = refuse
    yield
    ward.account.local.pace = None


@breaks("stripe_version")
async def _stripe_version(ward: Ward) -> AsyncIterator[None]:
    before, options = ward.context, stripe_of(ward)
    async with Proxy(options.api_base) as proxy:
        proxy.replace(b"stripe-version: 2026-10", b"stripe-version: 2024-04")
        base = f"http://127.0.0.1:{urlsplit(proxy.url).port}"
        ward.context = replace(before, stripe=replace(options, api_base=base))
        yield
    ward.context = before


@breaks("stripe_clock")
async def _stripe_clock(ward: Ward) -> AsyncIterator[None]:
    ward.account.ahead = timedelta(seconds=90)
    yield
    ward.account.ahead = timedelta(0)


@breaks("webhook")
async def _webhook(ward: Ward) -> AsyncIterator[None]:
    options = replace(
        ward.context.delivery, webhook_port=1, webhook_secret=Secret("whsec_x")
    )
    ward.context = replace(ward.context, delivery=options)
    yield
    ward.account.call(
        "POST", "/v2/core/event_destinations", name="worker", event_payload="thin",
        type="webhook_endpoint", enabled_events=list(LATE_ERRORS),
        webhook_endpoint={"url": "http://127.0.0.1:1/stripe"},
    )  # fmt: skip


@breaks("prices")
async def _prices(ward: Ward) -> AsyncIterator[None]:
    price = f"/v1/prices/{ward.account.price}"
    ward.account.call("POST", price, active=False)
    yield
    ward.account.call("POST", price, active=True)


@breaks("customers")
async def _customers(ward: Ward) -> AsyncIterator[None]:
    ward.count(counter("nobody"))
    yield
    ward.store.delete(counter("nobody"))


@breaks("items")
async def _items(ward: Ward) -> AsyncIterator[None]:
    customer = ward.account.customer("bolt")
    subscription = ward.account.seller.subscription(customer, ward.account.fee)
    await ward.read_stripe()
    ward.count(counter("bolt"))
    yield
    item = {"subscription": subscription, "price": ward.account.price}
    ward.account.call("POST", "/v1/subscription_items", **item)


@breaks("worker")
async def _worker(ward: Ward) -> AsyncIterator[None]:
    before, ward.worker = ward.worker, None
    yield
    ward.worker = before


@breaks("lag")
async def _lag(ward: Ward) -> AsyncIterator[None]:
    before = ward.worker
    ward.worker = {"unsent": 3, "oldest_unsent_s": 600.0, "rate": 25}
    yield
    ward.worker = before


@breaks("grace")
async def _grace(ward: Ward) -> AsyncIterator[None]:
    before = ward.context, ward.worker
    slow = replace(API, flush_s=7200)
    ward.context = replace(ward.context, resources=(slow, SEATS))
    ward.worker = {"unsent": 3, "oldest_unsent_s": 4000.0, "rate": 25}
    yield
    ward.context, ward.worker = before


@breaks("letters")
async def _letters(ward: Ward) -> AsyncIterator[None]:
    ward.store.xadd("meterdeck:queue", {"not": "ours"})
    async with client_of(ward.context) as client:
        assert await EventQueue(client, ward.context, "worker-1").take(1) == []
    yield
    ward.store.delete("meterdeck:letters:unknown", "meterdeck:lettered")


@breaks("restored")
async def _restored(ward: Ward) -> AsyncIterator[None]:
    info = ward.store.info("server")
    ward.store.xadd("meterdeck:events", {"state": "accepted"}, id="1600000000000-0")
    yield
    ward.store.hset("meterdeck:syncing", "compared_in", info["run_id"])


@breaks("queue")
async def _queue(ward: Ward) -> AsyncIterator[None]:
    ward.store.xadd("meterdeck:queue", {"tenant": "acme"})
    yield
    with suppress(Exception):  # it may have been mended meanwhile
        ward.store.xgroup_create("meterdeck:queue", "meterdeck", "0")


@breaks("leases")
async def _leases(ward: Ward) -> AsyncIterator[None]:
    label = counter("acme").rpartition(":")[2]
    long = replace(ward.context.delivery, takeover_s=86_400.0)
    async with client_of(ward.context) as client:
        billables = Billables(ward.context)
        acme = Tenant(TenantId("acme"), "Acme", customer=ward.account.acme)
        billables.put([acme])
        api_calls = CounterId(acme.id, API.name, label)
        wanted = billables.wanted(api_calls, await server_time(client))
        assert isinstance(wanted, Wanted)
        context = replace(ward.context, delivery=long)
        await BillingRecords(client, context, "worker-gone").claim([wanted])
    yield
    ward.store.delete("meterdeck:unsettled")


@breaks("spool")
async def _spool(ward: Ward) -> AsyncIterator[None]:
    open_root(ward.places.spool)
    folder = SpoolFolder.create(ward.places.spool)
    folder.append(encode(call(1)) + encode(call(2)))
    folder.close()
    yield
    adopted = SpoolFolder.adopt(folder.path)
    assert adopted is not None
    adopted.counted(adopted.next_batch(10).ends[-1])
    adopted.close()


@breaks("files")
async def _files(ward: Ward) -> AsyncIterator[None]:
    ward.places.spool.mkdir(0o755)
    ward.places.spool.chmod(0o755)
    yield
    ward.places.spool.chmod(0o700)
