"""An event is sent only after a replica has its claim: no failover takes it back."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.billing import Till
from tests.support.contexts import redis_context
from tests.support.redis_server import ask_node, port_of, running_server, until

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.errors import NotReplicated
from meterdeck.core.model.delivery import NoClaim, NotClaimed
from meterdeck.core.sandbox.valkey import Valkey


@pytest.fixture
def replica(valkey: Valkey, tmp_path: Path) -> Iterator[Valkey]:
    """A replica of `valkey`, for as long as the test lasts."""
    with running_server("valkey", tmp_path) as server:
        yield server


async def test_an_event_is_sent_only_after_a_replica_has_its_claim(
    valkey: Valkey, replica: Valkey
) -> None:
    """While none has it the claim fails; later it is the same event. A server without
    replicas is not waited for."""
    context = redis_context(valkey.url)
    redis = open_redis(context.redis)
    till, patient = [
        await Till.open(
            redis,
            replace(context, delivery=replace(context.delivery, replica_wait_s=wait)),
        )
        for wait in (0.1, 20.0)
    ]
    await till.use(5)

    await ask_node(valkey, "CONFIG", "SET", "repl-diskless-sync-delay", 0)
    await ask_node(replica, "REPLICAOF", "127.0.0.1", port_of(valkey))

    async def linked() -> bool:
        found = await redis.info("replication")
        return "online" in str(found.get("slave0"))

    try:
        await until(linked)
        os.kill(replica.pid, signal.SIGSTOP)
        with pytest.raises(NotReplicated, match="no replica of Redis had it"):
            await till.claim()
        made = (await till.read()).claim
        os.kill(replica.pid, signal.SIGCONT)
        claim = await patient.claim()
        assert made is not None
        assert (claim.event, claim.fresh) == (made.event, False)
        await till.settle(claim)
    finally:
        os.kill(replica.pid, signal.SIGCONT)
        await ask_node(replica, "REPLICAOF", "NO", "ONE")
        await redis.aclose()

    alone = open_redis(context.redis)
    answer = await (await Till.open(alone, context)).ask_for()
    await alone.aclose()
    assert isinstance(answer, NoClaim)
    assert answer.why is NotClaimed.NOTHING
