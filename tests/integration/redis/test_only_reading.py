"""A read-only context has a last door: what writes is not sent, whoever asks for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from redis import Redis as PlainRedis
from tests.support.engine_calls import QUIET, READING, WRITING, methods, services
from tests.support.stripe_side import running_stripe
from tests.support.writes import written
from tests.tui.ledger_pictures import ACCEPTED
from tests.tui.pictures import believable

from meterdeck.core.adapters.only_reading import WRITES
from meterdeck.core.adapters.redis_client import execute_write, open_redis
from meterdeck.core.adapters.script_lanes import lanes_of
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import ReadOnly
from meterdeck.core.model.context import Mode, RedisOptions
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine


async def test_whatever_the_engine_can_change_is_refused_in_a_read_only_context(
    valkey: Valkey,
) -> None:
    """All that an engine exposes is found in the code; neither server is written to."""
    async with running_stripe() as stripe:
        context = replace(stripe.context(valkey.url), read_only=True)
        stripe.requests.clear()
        with PlainRedis.from_url(valkey.url) as server, written(server) as found:
            async with Engine(context) as engine:
                assert methods(engine) - set(WRITING) - QUIET == READING
                by_name = dict(services(engine))
                await engine.directory.save(believable())
                wrong: list[tuple[str, Exception | None]] = []
                for name, call in WRITING.items():
                    try:
                        await call(by_name[name.partition(".")[0]])
                    except ReadOnly:
                        continue
                    except Exception as error:  # told below
                        wrong.append((name, error))
                    else:
                        wrong.append((name, None))

    assert wrong == [], "\n".join(map(str, wrong))
    assert found == set()
    assert [each for each in stripe.requests if not each.startswith("GET ")] == []


async def test_a_client_that_only_reads_sends_no_write(valkey: Valkey) -> None:
    """Neither plain, nor in a pipeline, nor as a script; and it does read."""
    client: Any = open_redis(RedisOptions(url=valkey.url), reads_only=True)
    with PlainRedis.from_url(valkey.url) as server:
        server.set("there", "1")
        with written(server) as found:
            for transaction in (False, True):
                pipe = client.pipeline(transaction=transaction)
                pipe.get("there").sadd("names", "acme")
                with pytest.raises(ReadOnly):
                    await pipe.execute()
            for refused in (
                client.set("there", "2"),
                client.config_set("maxmemory-policy", "noeviction"),
                client.execute_command("CONFIG SET", "save", ""),
                client.script_load("return 1"),
                client.execute_command("ACL", "SETUSER", "ana"),
                client.eval("return redis.call('SET', KEYS[1], 1)", 1, "there"),
                execute_write(client, "SET", b"there", 2, what="it", operation_id=""),
            ):
                with pytest.raises(ReadOnly):
                    await refused
            with pytest.raises(ReadOnly):
                lanes_of(client)
            assert await client.get("there") == b"1"
            assert await client.config_get("maxmemory-policy")
            assert await client.script_exists("0" * 40) == [False]
            assert await client.eval("#!lua flags=no-writes\nreturn 1", 0) == 1
        assert found == set()
        flags = {
            name.upper(): each["flags"]
            for name, each in cast("Any", server).command().items()
        }
    await client.aclose()
    assert {name for name, has in flags.items() if "write" in has} - WRITES == set()


async def test_a_gateway_that_only_reads_posts_nothing() -> None:
    """By the service's own word; Stripe is asked, and told nothing."""
    async with running_stripe() as stripe:
        options = stripe.context("redis://127.0.0.1:1").stripe
        assert options is not None
        gateway = StripeGateway(options, Mode.SANDBOX, reads_only=True)
        stripe.requests.clear()
        with pytest.raises(ReadOnly, match="nothing was sent to Stripe"):
            await gateway.send_meter_event(ACCEPTED.event)
        assert await gateway.meters()
        await gateway.close()
        assert {each.partition(" ")[0] for each in stripe.requests} == {"GET"}
