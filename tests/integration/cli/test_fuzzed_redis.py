"""Whatever stands in Redis: a sentence, a tenant shown as broken, nothing billed."""

import asyncio
import json
import random
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.integration.cli.test_sync import Stripe, month
from tests.support.fuzzing import HOSTILE, LONG_S, Fuzzing, odd_json, patient

from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.services.engine import Engine
from meterdeck.core.settings import load_context
from meterdeck.tui.picture import Picture

LAYOUT = KeyLayout()
STOPPED = "meterdeck stopped"
COMMANDS = (
    "tenants", "tenants --sort trend", "usage acme", "usage acme --history", "why acme",
    "audit", "audit acme --verify", "audit --verify", "override list", "health",
    "doctor", "doctor --audit", "letters", "events", "event show id-1", "alerts",
    "closing", "handoff", "cost acme", "undo acme --dry-run", "usage sound",
    "adjust acme api_calls add 1 --reason x --yes", "reconcile",
    "override set acme api_calls 5 --reason x --for 1h --yes", "track acme renders 1",
    "consume acme api_calls=1",
)  # fmt: skip


def names(now: str) -> dict[str, list[bytes]]:
    """Return the keys of acme and those of all, by the kind of their owner."""
    who, what = "acme", "api_calls"
    acme = [
        LAYOUT.counter(who, what, now), LAYOUT.tenant(who), LAYOUT.override(who, what),
        LAYOUT.overrides(who), LAYOUT.billing(who, what, now), LAYOUT.audit(who),
        LAYOUT.undone(who), LAYOUT.operation(who, "op-1"), LAYOUT.call(who, "call-1"),
        LAYOUT.settled(who, "call-1"), LAYOUT.reserved(who, what, now),
        LAYOUT.beyond(who, what, now), LAYOUT.members(who, what, now),
        LAYOUT.measured(who, what), LAYOUT.refusals(who), LAYOUT.history(who, now),
        LAYOUT.letters(who), LAYOUT.alerts(who),
    ]  # fmt: skip
    shared = [
        LAYOUT.tenants(), LAYOUT.directory(), LAYOUT.overridden(), LAYOUT.audited(),
        LAYOUT.reserving(), LAYOUT.sampled(now), LAYOUT.changed(), LAYOUT.sequence(),
        LAYOUT.unsettled(), LAYOUT.lettered(), LAYOUT.queue(who), LAYOUT.queued(who),
        LAYOUT.queues(), LAYOUT.alerting(), LAYOUT.alerted(), LAYOUT.alert_due(),
        LAYOUT.reports(), LAYOUT.workers(), LAYOUT.syncing(), LAYOUT.events(),
        LAYOUT.alerts(""),
    ]  # fmt: skip
    return {"acme": acme, "shared": shared}


FIELDS = (
    "name", "customer", "plan", "status", "limit:api_calls", "limit", "actor", "reason",
    "expires_at", "usage", "reported", "offset", "identifier", "value", "timestamp",
    "sequence", "state", "event", "tenant", "resource", "period", "at", "hash", "prev",
    "api_calls", "outcome", "cursor", "id", "op", "before", "after", "acme",
    "claimed_at", "leased_until", "event_name", "payload", "entry",
)  # fmt: skip


def text(chance: random.Random) -> bytes:
    """Return a value that nobody should have written there."""
    match chance.randrange(4):
        case 0:
            return chance.randbytes(chance.randrange(40))
        case 1:
            return json.dumps(odd_json(chance)).encode()
        case _:
            return chance.choice(HOSTILE).encode("utf-8", "surrogateescape")


def put(store: redis.Redis, key: bytes, chance: random.Random) -> str:
    """Write something odd under a key; return its type."""
    store.delete(key)
    kind = chance.choice(["string", "list", "set", "hash", "zset", "stream", "hash"])
    many = range(chance.randrange(1, 5))
    fields = {chance.choice(FIELDS): text(chance) for _ in many}
    match kind:
        case "string":
            store.set(key, text(chance))
        case "list":
            store.rpush(key, *(text(chance) for _ in many))
        case "set":
            store.sadd(key, *(text(chance) for _ in many))
        case "hash":
            store.hset(key, mapping=fields)  # type: ignore[arg-type]  # bytes are taken
        case "zset":
            score = chance.choice([0, -1, 1.5, 2**53, -1e308, float("inf")])
            store.zadd(key, {text(chance): score for _ in many})
        case "stream":
            for _ in many:
                store.xadd(key, fields)  # type: ignore[arg-type]  # as above
    return kind


def acts(ch: str) -> bool:
    """Tell whether a terminal would act on a character."""
    return ch != "\n" and unicodedata.category(ch) in {"Cc", "Cf", "Zl", "Zp"}


async def look(context: Context) -> Picture:
    """Have the console's picture made, as the screens get it."""
    picture = Picture(context)
    async with Engine(context) as engine:
        watch = engine.watch()
        updates = watch.updates()
        async with asyncio.timeout(60):
            async for update in updates:
                picture.apply(update)
                if picture.loaded or picture.stale or picture.updates >= 2:
                    break
        await updates.aclose()
    return picture


def kept(store: redis.Redis) -> dict[bytes, tuple[bytes, int]]:
    """Return all keys as they are, with what is left of their time in milliseconds."""
    return {
        key: (store.dump(key), max(0, store.pttl(key)))  # type: ignore[misc]
        for key in store.scan_iter()
    }


def put_back(store: redis.Redis, keys: Mapping[bytes, tuple[bytes, int]]) -> None:
    """Have these keys in Redis, and no others."""
    with store.pipeline(transaction=False) as pipe:
        pipe.flushdb()
        for key, (value, left_ms) in keys.items():
            pipe.restore(key, left_ms, value)
        pipe.execute()


@patient
def test_whatever_stands_in_redis_is_no_crash_and_is_not_billed(
    stripe_cli: CommandLine,
    store: redis.Redis,
    stripe_server: Stripe,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each kind of key with other types and values; the tenant beside is billed."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))
    seller, _ = stripe_server
    seller.meter("api_requests")
    customers = {
        name: seller.customer(name, metadata={"tenant": name})
        for name in ("acme", "sound")
    }
    received: list[ReceivedMeterEvent] = []
    seller.local.on_meter_event = received.append
    context = load_context(config=stripe_cli.config)
    fuzzing = Fuzzing("Redis contents")
    now = month(store)
    store.set(LAYOUT.counter("sound", "api_calls", now), 7)
    stripe_cli("tenants", "--refresh")
    sound = kept(store)
    for chance in fuzzing.each(2):
        received.clear()
        put_back(store, sound)
        store.set(LAYOUT.counter("acme", "api_calls", now), chance.choice(["x", "1.5"]))
        of = names(now)
        for key in chance.sample(of["acme"], 6):
            fuzzing.met[put(store, key, chance)] += 1
        damaged = chance.random() < 0.5
        for key in chance.sample(of["shared"], 3) if damaged else ():
            fuzzing.met[put(store, key, chance)] += 1
        if store.type(LAYOUT.counter("acme", "api_calls", now)) == b"string":
            store.set(LAYOUT.counter("acme", "api_calls", now), text(chance) + b"x")

        for command in chance.sample(COMMANDS, 4 if LONG_S else 2):
            form = ["--json"] if chance.random() < 0.5 else []
            done = stripe_cli(*command.split(), *form)
            assert done.code in (0, 1, 2, 3), command
            assert STOPPED not in done.err, trace(tmp_path, command)
            assert not any(map(acts, done.out + done.err)), command
            fuzzing.met[f"code {done.code}"] += 1
        asyncio.run(look(context))
        worked = stripe_cli("sync", "--once", "--json")
        assert STOPPED not in worked.err, trace(tmp_path, "sync")
        billed = [event for event in received if event.accepted]
        assert not [each for each in billed if each.customer == customers["acme"]]
        assert [each.value for each in billed] in ([], ["7"])
        if not damaged:
            assert len(billed) == 1, worked
        fuzzing.met["billed the sound one"] += len(billed)
    fuzzing.told(stripe_cli.capsys)


def trace(folder: Path, command: str) -> str:
    """Return what is kept of a fault."""
    traces = sorted((folder / "state").glob("crash-*.txt"))
    return "\n".join([command, *(each.read_text() for each in traces)])
