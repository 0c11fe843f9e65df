"""Databases of another contract: an older one is upgraded, a newer one only read."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.contexts import CALLS

from meterdeck.core.adapters.contract_calls import read_contract
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.client import Degraded, MeterClient
from meterdeck.core.errors import ProgramTooOld, Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.contract import OURS, Contract
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.circuit import Circuit
from meterdeck.core.services.contract_door import ContractDoor
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.recovery import Recovery
from meterdeck.core.services.server_clock import ServerClock

pytestmark = pytest.mark.not_on("cluster", "sentinel")

RECORDED = Path(__file__).parent / "recorded" / "contract-1.json"
"""What meterdeck 0.1.0, of contract 1, wrote on a Redis 7."""


async def write_recorded(redis: Redis) -> None:
    """Put the recorded keys into an empty database, one trail in no index."""
    raw = cast("Any", redis)
    for key, held in json.loads(RECORDED.read_text()).items():
        value = held["value"]
        match held["type"]:
            case "string":
                await raw.set(key, value)
            case "hash":
                await raw.hset(key, mapping=value)
            case "set":
                await raw.sadd(key, *value)
            case "zset":
                await raw.zadd(key, value)
            case "stream":
                for entry, fields in value:
                    await raw.xadd(key, fields, id=entry)
    await raw.zrem("meterdeck:audited", "beta")


async def test_an_older_database_is_upgraded_while_older_programs_write(
    redis: Redis, context: Context
) -> None:
    """Preview first; cut short and repeated it does the rest; nothing counted moves."""
    await write_recorded(redis)
    raw = cast("Any", redis)
    before = {k: await raw.dump(k) for k in await raw.keys("*") if b"audited" not in k}
    layout = context.redis.layout

    async with Engine(context) as engine:
        upgrade = engine.upgrade()
        plan = await upgrade.plan()
        assert (plan.found, plan.trails) == (Contract(), (TenantId("beta"),))
        assert await read_contract(redis, layout) == Contract()  # only shown
        await raw.hset(layout.contract(), "upgrading", OURS)  # one that was cut short
        await upgrade.apply(plan)
        # A program of contract 1 goes on: it knows nothing of the new key.
        await raw.incrby("usage:acme:api_calls:2026-11", 0)
        after = {k: await raw.dump(k) for k in before}
        assert after == before
        assert (await upgrade.plan()).nothing
        await upgrade.apply(await upgrade.plan())
        found = await read_contract(redis, layout)
        assert (found.version, found.writers, found.upgrading) == (OURS, 1, 0)
        assert await raw.zscore("meterdeck:audited", "beta") is not None
        for tenant in ("acme", "beta"):
            assert await engine.changes.verify_audit(tenant) is None


async def test_older_programs_are_shut_out_only_when_none_of_their_workers_is_alive(
    redis: Redis, context: Context
) -> None:
    """Who is in the way is named, and nothing was changed."""
    raw, layout = cast("Any", redis), context.redis.layout
    now_ms = (await raw.time())[0] * 1000
    await raw.hset(layout.workers(), "old-1", json.dumps({"at": now_ms}))
    new = json.dumps({"at": now_ms, "contract": OURS})
    await raw.hset(layout.workers(), "new-1", new)
    async with Engine(context) as engine:
        upgrade = engine.upgrade()
        with pytest.raises(Refused, match="alive: old-1;"):
            await upgrade.apply(await upgrade.plan(shut_out_older=True))
        assert await read_contract(redis, layout) == Contract()

        await raw.hdel(layout.workers(), "old-1")
        await upgrade.apply(await upgrade.plan(shut_out_older=True))
        assert (await read_contract(redis, layout)).writers == OURS


async def test_an_older_program_reads_a_newer_database_and_writes_nothing(
    redis: Redis, context: Context
) -> None:
    """One sentence says why: to an operator, to an application, to an upgrade."""
    raw, layout = cast("Any", redis), context.redis.layout
    await raw.hset(
        layout.contract(), mapping={"version": OURS + 1, "writers": OURS + 1}
    )
    sentence = f"this one knows {OURS}: it only reads"
    wish = Adjustment(
        TenantId("acme"), CALLS, AdjustKind.ADD, 5, None, Bill.QUOTA_ONLY, "why"
    )

    async with Engine(context) as engine:
        with pytest.raises(ProgramTooOld, match=sentence):
            await engine.changes.adjust(
                wish, actor=Actor("ada", "local"), operation_id="op-1"
            )
        assert next(each.used for each in await engine.usage.usage("acme")) == 0
        with pytest.raises(Refused, match="upgrade with the newer"):
            await engine.upgrade().plan()
    async with MeterClient.open(context) as meter:
        answer = await meter.consume("acme", {CALLS: 1})
        assert isinstance(answer, Degraded)
        assert not answer.allowed
        assert sentence in answer.detail
        assert (await meter.peek("acme"))[0].used == 0
    assert await raw.keys("usage:*") == []


async def test_a_newer_contract_that_lets_this_one_write_changes_nothing(
    redis: Redis, context: Context
) -> None:
    """During a rolling upgrade programs of both contracts write side by side."""
    raw, layout = cast("Any", redis), context.redis.layout
    await raw.hset(layout.contract(), mapping={"version": OURS + 1, "writers": 1})

    async with Engine(context) as engine:
        await engine.contract.enter()
        wish = Adjustment(
            TenantId("acme"), CALLS, AdjustKind.ADD, 5, None, Bill.QUOTA_ONLY, "why"
        )
        done = await engine.changes.adjust(
            wish, actor=Actor("ada", "local"), operation_id="op-1"
        )
    assert done.after == 5


async def test_a_library_that_is_too_old_waits_and_does_not_spin(
    redis: Redis, context: Context
) -> None:
    """What is due stays due; it is looked at again when the door is."""

    class Counted(ContractDoor):
        """Counts how often somebody wants to know whether it is open."""

        asked = 0

        @property
        def sentence(self) -> str:
            self.asked += 1
            return "this program is too old"

        @sentence.setter
        def sentence(self, _why: str) -> None:
            """It stays shut."""

    at_once = replace(context, library=replace(context.library, give_back_s=0.001))
    door = Counted(redis, context.redis.layout)
    circuit = Circuit(failures=5, pause_s=1.0)
    clock = ServerClock()
    recovery = Recovery(redis, at_once, circuit, clock, None, door=door)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(recovery.run(), 0.3)
    assert clock.known
    assert door.asked < 5
