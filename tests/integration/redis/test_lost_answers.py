"""Faults between us and Redis: what is lost is said to be lost, and counted once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.contexts import CALLS, redis_context
from tests.support.proxy import Fault, Proxy
from tests.support.raw import of_each_server
from tests.support.redis_server import WRITTEN_AT_ONCE

from meterdeck.core.adapters.redis_client import (
    Redis,
    open_redis,
    redis_errors,
    server_time,
)
from meterdeck.core.errors import (
    RedisRefused,
    RedisUnreachable,
    UnknownOutcome,
    Unreachable,
)
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, RedisOptions, Secret
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

LAYOUT = KeyLayout()
WISH = Adjustment(
    TenantId("acme"), CALLS, AdjustKind.ADD, 10, None, Bill.QUOTA_ONLY, "counted late"
)


@pytest.fixture
async def proxy(redis_server: Valkey, redis: Redis) -> AsyncIterator[Proxy]:
    """A proxy before the (empty) server."""
    async with Proxy(redis_server.url) as running:
        yield running


@pytest.fixture
async def far(proxy: Proxy) -> AsyncIterator[Redis]:
    """A client that reaches the server through the proxy, one call at a time."""
    client = open_redis(RedisOptions(url=proxy.url, timeout_s=10.0), connections=1)
    yield client
    await client.aclose()


@pytest.fixture
async def hasty(proxy: Proxy) -> AsyncIterator[Redis]:
    """The same with a deadline short enough to wait for."""
    client = open_redis(RedisOptions(url=proxy.url, timeout_s=1.5), connections=1)
    yield client
    await client.aclose()


async def counted(redis: Redis) -> int:
    """Return acme's API calls, asked directly."""
    label = calendar_month(await server_time(redis)).label
    return int(await redis.get(LAYOUT.counter("acme", CALLS, label)) or 0)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.SILENCE])
async def test_a_lost_answer_without_call_id_is_unknown_and_nothing_is_sent_again(
    redis: Redis, hasty: Redis, proxy: Proxy, context: Context, fault: Fault
) -> None:
    """The library's retries are off: the server counted once."""
    service = UsageService(hasty, context)
    await service.consume("acme", {CALLS: 1})
    proxy.lose_next_answer(fault)

    with pytest.raises(UnknownOutcome, match="usage was sent and the answer was lost"):
        await service.consume("acme", {CALLS: 1})

    assert await counted(redis) == 2
    assert proxy.faults == 1


async def test_a_lost_answer_with_call_id_is_asked_for_again(
    redis: Redis, far: Redis, proxy: Proxy, context: Context
) -> None:
    """The second try gets the answer of the first; the server counted once."""
    service = UsageService(far, context)
    await service.consume("acme", {CALLS: 1})
    proxy.lose_next_answer()

    made = await service.consume("acme", {CALLS: 5}, call_id="req-1")

    assert made.allowed
    assert made.replayed
    assert made.resources[0].current == 6
    assert await counted(redis) == 6
    assert proxy.faults == 1


async def test_a_call_id_asked_in_vain_stays_unknown_and_can_be_repeated_later(
    redis: Redis, far: Redis, proxy: Proxy, context: Context
) -> None:
    """Both tries lost: unknown; after the fault the same id gives the answer."""
    service = UsageService(far, context)
    await service.consume("acme", {CALLS: 1})
    proxy.lose_next_answer(times=2)

    with pytest.raises(UnknownOutcome) as lost:
        await service.consume("acme", {CALLS: 5}, call_id="req-1")
    made = await service.consume("acme", {CALLS: 5}, call_id=lost.value.operation_id)

    assert made.replayed
    assert await counted(redis) == 6


async def test_a_try_that_was_lost_stays_unknown_when_the_next_finds_nobody(
    redis: Redis, far: Redis, proxy: Proxy, context: Context
) -> None:
    """The second try surely did nothing; the first one may have, and did."""
    service = UsageService(far, context)
    await service.consume("acme", {CALLS: 1})
    proxy.lose_next_answer(Fault.GONE)

    with pytest.raises(UnknownOutcome):
        await service.consume("acme", {CALLS: 5}, call_id="req-1")

    assert await counted(redis) == 6


async def test_a_lost_adjustment_is_repeated_with_its_operation_id(
    redis: Redis, far: Redis, proxy: Proxy, context: Context, actor: Actor
) -> None:
    """Executed, answer lost, repeated: one change, one entry, `replayed`."""
    changes = OperatorChanges(far, context)
    await changes.adjust(WISH, actor=actor, operation_id="op-0")
    proxy.lose_next_answer()

    with pytest.raises(UnknownOutcome) as lost:
        await changes.adjust(WISH, actor=actor, operation_id="op-1")
    done = await changes.adjust(WISH, actor=actor, operation_id=lost.value.operation_id)

    assert (done.before, done.after, done.replayed) == (10, 20, True)
    assert await counted(redis) == 20
    assert len(await changes.audit("acme")) == 2


async def test_a_lost_read_is_unreachable(
    far: Redis, proxy: Proxy, context: Context
) -> None:
    """Nothing was to be written, so nothing is unknown."""
    proxy.lose_next_answer()

    with pytest.raises(RedisUnreachable):
        await UsageService(far, context).usage("acme")


async def test_a_cancelled_call_does_not_shift_the_answers_after_it(
    redis: Redis, far: Redis, proxy: Proxy, context: Context
) -> None:
    """The connection of the cancelled call is given up; it was counted once."""
    service = UsageService(far, context)
    await service.consume("acme", {CALLS: 1})
    proxy.lose_next_answer(Fault.SILENCE)
    call = asyncio.create_task(service.consume("acme", {CALLS: 1}))
    async with asyncio.timeout(10):
        await proxy.lost.wait()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    proxy.heal()

    await far.set("b", "BBB")

    assert await far.get("b") == b"BBB"
    assert await counted(redis) == 2


@pytest.mark.not_on("sentinel", "cluster")  # test_topologies has the same for several
async def test_a_server_that_is_away_is_unreachable_and_nothing_was_counted(
    context: Context, actor: Actor
) -> None:
    """Nobody listens: said at once, for reads and writes alike."""
    options = replace(context.redis, url="redis://127.0.0.1:1/0")
    client = open_redis(options)
    away = replace(context, redis=options)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(RedisUnreachable, match="does not answer"):
                await server_time(client)
            with pytest.raises(RedisUnreachable):
                await UsageService(client, away).consume("acme", {CALLS: 1})
            with pytest.raises(RedisUnreachable):
                await OperatorChanges(client, away).adjust(
                    WISH, actor=actor, operation_id="op-1"
                )
    finally:
        await client.aclose()


async def test_a_server_that_came_back_counts_on(tmp_path: Path) -> None:
    """Calls during the outage fail; the one after it finds everything counted."""
    async with Valkey(data_dir=tmp_path, settings=WRITTEN_AT_ONCE) as server:
        context = redis_context(server.url)
        client = open_redis(context.redis)
        service = UsageService(client, context)
        try:
            await service.consume("acme", {CALLS: 1})
            await server.kill()
            # Unknown where the kernel had not yet told us that the connection is gone.
            with pytest.raises(Unreachable):
                await service.consume("acme", {CALLS: 1})
            await server.start()
            made = await service.consume("acme", {CALLS: 1})
            assert made.resources[0].current == 2
            await server.stop()
            await server.start()
            made = await service.consume("acme", {CALLS: 1})
            assert made.resources[0].current == 3
        finally:
            await client.aclose()


async def test_a_server_that_stays_silent_is_given_up_after_the_timeout(
    valkey: Valkey,
) -> None:
    """A server that froze costs the timeout, not for ever."""
    async with Proxy(valkey.url) as proxy:
        client = open_redis(RedisOptions(url=proxy.url, timeout_s=0.2))
        proxy.lose_next_answer(Fault.SILENCE)
        try:
            async with asyncio.timeout(10):
                with pytest.raises(RedisUnreachable):
                    await server_time(client)
        finally:
            await client.aclose()


async def test_many_more_callers_than_connections_wait_their_turn(
    redis: Redis, redis_server: Valkey
) -> None:
    """300 callers over two connections: all are answered."""
    options = RedisOptions(url=redis_server.url, timeout_s=10.0)
    client = open_redis(options, connections=2)
    service = UsageService(client, redis_context(redis_server.url))
    try:
        await asyncio.gather(*(service.consume("acme", {CALLS: 1}) for _ in range(300)))
        assert await counted(redis) == 300
        assert len(await redis.client_list()) <= 3
    finally:
        await client.aclose()


async def test_a_server_out_of_memory_refuses_the_whole_call(
    redis: Redis, context: Context
) -> None:
    """The script is refused before its first line: nothing is half done."""
    service = UsageService(redis, context)
    await service.consume("acme", {CALLS: 1})
    await of_each_server(redis, "CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(RedisRefused, match="memory limit"):
            await service.consume("acme", {CALLS: 1}, call_id="req-1")
    finally:
        await of_each_server(redis, "CONFIG", "SET", "maxmemory", 0)
    assert await counted(redis) == 1
    if not LAYOUT.tagged:
        assert await redis.zscore(LAYOUT.changed(), "acme") == 1.0


@pytest.mark.not_on("sentinel", "cluster")  # they would make it a master again
async def test_a_replica_takes_no_writes(redis: Redis, context: Context) -> None:
    """It says that it is a replica."""
    await redis.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(RedisRefused, match="is a replica"):
            await UsageService(redis, context).consume("acme", {CALLS: 1})
    finally:
        await redis.replicaof("NO", "ONE")


async def test_a_missing_and_a_wrong_password_are_told_apart(
    redis: Redis, redis_server: Valkey
) -> None:
    """Each with what to do about it, neither with the password."""
    await redis.config_set("requirepass", "right")
    wrong = RedisOptions(url=redis_server.url, password=Secret("swordfish"))
    clients = [open_redis(RedisOptions(url=redis_server.url)), open_redis(wrong)]
    try:
        with pytest.raises(RedisRefused, match=r"set redis\.password"):
            await server_time(clients[0])
        with pytest.raises(RedisRefused, match="does not accept") as refused:
            await server_time(clients[1])
        assert "swordfish" not in str(refused.value)
    finally:
        for client in clients:
            await client.aclose()
        await redis.config_set("requirepass", "")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("LOADING Redis is loading the dataset in memory", "still loading"),
        ("MISCONF Redis is configured to save RDB snapshots", "to its disk"),
        ("MASTERDOWN Link with MASTER is down", "lost its master"),
        ("NOREPLICAS Not enough good replicas to write.", "too few Redis replicas"),
        ("CLUSTERDOWN Hash slot not served", "cluster is down"),
        ("NOPERM User app has no permissions to run 'time'", "no right"),
        ("ERR something \x1b[31mnew", "something ␛\\[31mnew"),
    ],
)
async def test_errors_of_the_server_become_sentences(
    answer: str, sentence: str
) -> None:
    """Whatever the server says, an operator understands it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            writer.write(f"-{answer}\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = open_redis(RedisOptions(url=f"redis://127.0.0.1:{port}/0"))
    try:
        with pytest.raises(RedisRefused, match=sentence):
            await server_time(client)
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


def test_a_write_that_never_left_is_not_unknown() -> None:
    """Only what may have been sent has an unknown outcome."""
    sent = ConnectionError("Error 32 while writing to socket. Broken pipe.")
    not_sent = ConnectionError("Error 111 connecting to 127.0.0.1:1.")

    with pytest.raises(UnknownOutcome), redis_errors(write="it", operation_id="o"):
        raise sent
    with pytest.raises(RedisUnreachable), redis_errors(write="it", operation_id="o"):
        raise not_sent
    with pytest.raises(Unreachable) as plain, redis_errors():
        raise sent
    assert isinstance(plain.value, RedisUnreachable)
