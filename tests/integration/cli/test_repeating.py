"""Changes that are repeated with their operation id, as a lost answer asks for."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.integration.cli.test_requests import dead_letters
from tests.support.proxy import Proxy

from meterdeck.core.settings import load_context

SIGNED = ("--reason", "launch", "--operation-id", "op-1")


@pytest.mark.parametrize("limit", ["2000", "+20%", "x0", "unlimited"])
@pytest.mark.parametrize("until", ["3d", "friday", "2030-01-01"])
def test_an_override_is_repeated_as_it_was_set(
    cli: CommandLine, store: redis.Redis, acme: str, limit: str, until: str
) -> None:
    """Also where its limit or its end counts from now: it is the first one's."""
    words = ("override", "set", acme, "api_calls", limit, "--until", until, *SIGNED)
    first, again = cli(*words, "--json"), cli(*words, "--json")

    assert (first.code, again.code) == (0, 0)
    for key in ("after", "expires_at"):
        assert first.json[key] == again.json[key]
    assert store.xlen("meterdeck:audit:acme") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("api_calls", "3000", "--until", "3d"),
        ("api_calls", "2000", "--until", "2030-01-01"),
        ("storage_gb", "2000", "--until", "3d"),
    ],
)
def test_another_override_is_refused_under_an_id_that_is_used(
    cli: CommandLine, store: redis.Redis, acme: str, words: tuple[str, ...]
) -> None:
    """Another limit, another end that is written out, another resource."""
    first = ("override", "set", acme, "api_calls", "2000", "--until", "3d", *SIGNED)
    assert cli(*first).code == 0

    done = cli("override", "set", acme, *words, *SIGNED)

    assert (done.code, "was used for another change before" in done.err) == (1, True)
    assert store.xlen("meterdeck:audit:acme") == 1


def test_an_id_is_free_again_once_its_operation_is_forgotten(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """After a day the same words set another override, from then on."""
    words = ("override", "set", acme, "api_calls", "+20%", "--until", "3d", *SIGNED)
    cli(*words)
    ((_, fields),) = cast("Any", store.xrange("meterdeck:audit:acme"))
    at = datetime.now(UTC) - timedelta(days=1, minutes=1)
    store.delete("meterdeck:audit:acme", "meterdeck:op:acme:op-1")
    stamp = int(at.timestamp() * 1000)
    store.xadd("meterdeck:audit:acme", {**fields, b"at": str(stamp)}, f"{stamp}-0")

    again = cli(*words, "--json")

    assert again.json["after"]["limit"] == 144_000


async def test_a_replay_whose_answer_was_lost_is_repeated_under_the_id_it_names(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Which is the whole command's: no letter is refused that was sent again."""
    names = await asyncio.to_thread(dead_letters, cli.config, acme=5, bee=6)
    words = ("replay", *names, "--yes", "--reason", "mended", "--json")
    url = load_context(config=cli.config, environ={}).redis.url
    async with Proxy(url) as proxy:
        proxy.lose(b"mended")
        lost = await asyncio.to_thread(cli, *words, "--redis-url", proxy.url)
    given = lost.json["error"]["operation_id"]

    again = await asyncio.to_thread(cli, *words, "--operation-id", given)

    assert (lost.code, again.code) == (3, 0)
    assert [each["replayed"] for each in again.json["letters"]] == [True, False]
    assert store.xlen("meterdeck:audit:acme") == store.xlen("meterdeck:audit:bee") == 1
