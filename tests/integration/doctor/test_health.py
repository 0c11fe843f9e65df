"""How Redis is, told by a real server: with a replica, and to a narrow user."""

from contextlib import suppress

import redis
from tests.integration.doctor.conftest import Ward
from tests.support.redis_server import port_of, until

from meterdeck.core.model.health import FleetHealth
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine


async def look(ward: Ward) -> FleetHealth:
    """Look at a context as `meterdeck health` does."""
    async with Engine(ward.context) as engine:
        return await engine.health.look()


async def test_a_server_tells_of_its_memory_disk_replica_and_speed(
    ward: Ward, server: Valkey, replica: Valkey
) -> None:
    """All of it in one look, and how far the replica is behind."""
    ward.store.config_set("repl-diskless-sync-delay", 0)  # else it waits for others
    with redis.Redis.from_url(replica.url) as follower:
        follower.execute_command("REPLICAOF", "127.0.0.1", port_of(server))
        try:

            async def follows() -> bool:
                with suppress(redis.RedisError):
                    link = follower.info("replication")["master_link_status"]
                    return bool(link == "up")
                return False

            await until(follows)
            health = await look(ward)
        finally:
            follower.execute_command("REPLICAOF", "NO", "ONE")

    assert health.redis.servers is not None
    (found,) = health.redis.servers
    (seen,) = found.replication.replicas
    assert (found.product, found.memory.policy) == ("Valkey", "noeviction")
    assert found.memory.used > 0 < found.memory.peak
    assert found.persistence.append_only
    assert found.load.keys == 1
    assert (found.load.slow is not None, found.load.spike_ms) == (True, 0)
    assert (seen.state, seen.heard_s < 20) == ("online", True)
    assert health.redis.ping_ms is not None is not health.redis.script_ms
    assert health.stripe is None


async def test_what_a_user_may_not_ask_is_left_out_and_is_no_error(ward: Ward) -> None:
    """INFO, scripts and the slow log are refused; the rest is told all the same."""
    ward.as_user(
        "narrow", "nopass", "+@read", "+@write", "+ping", "+time", "-@scripting"
    )

    health = await look(ward)

    assert health.redis.problem == ""
    assert health.redis.servers is None
    assert health.redis.script_ms is None
    assert health.redis.ping_ms is not None
    assert health.waiting is not None
