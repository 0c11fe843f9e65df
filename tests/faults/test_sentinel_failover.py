"""The Sentinels choose another master under load: callers leave the old one at once."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.contexts import CALLS, FREE, redis_context
from tests.support.load import CALLERS, Account, Balance, load, settle
from tests.support.raw import ask
from tests.support.redis_server import ask_node, port_of, until
from tests.support.sentinels import (
    DOWN_AFTER_S,
    MASTER_NAME,
    SENTINELS,
    Announcement,
    Sentinels,
    running_sentinels,
    stopped,
)

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.model.context import Context, RedisOptions, Secret
from meterdeck.core.model.usage import Plan
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

CHOSEN = "+failover-state-send-slaveof-noone"
PROMOTED = "+promoted-slave"
SWITCHED = "+switch-master"
FAILOVER = ("SENTINEL", "FAILOVER", MASTER_NAME)
MAX_LAG_S = 1
DOCUMENT = Path(__file__).parents[2] / "docs" / "redis-contract.md"
TOO_FEW = "too few Redis replicas are connected; it takes no writes"


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    """Servers of this test alone, which it may kill."""
    with running_sentinels(tmp_path) as servers:
        yield servers


@pytest.fixture
async def context(sentinels: Sentinels) -> Context:
    """A context whose default plan never refuses, and whose deadline helps nobody.

    Both servers and Sentinels have users for it, the latter's with no more than the
    documented rights.
    """
    for node in sentinels.nodes:
        await ask_node(node, "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all")
    rights = re.search(r"user of the\s+Sentinels needs `([^`]+)`", DOCUMENT.read_text())
    assert rights is not None
    for each in sentinels.sentinels:
        await ask_node(
            each, "ACL", "SETUSER", "finder", "on", ">pw2", *rights[1].split()
        )
    found = sentinels.options.sentinel
    assert found is not None
    options = replace(
        sentinels.options,
        timeout_s=120.0,
        username="app",
        password=Secret("pw"),
        sentinel=replace(found, username="finder", password=Secret("pw2")),
    )
    plan = Plan(FREE, "Free", {})
    return replace(redis_context(options.url), redis=options, plans={FREE: plan})


@pytest.fixture
async def redis(context: Context) -> AsyncIterator[Redis]:
    """A client of the master."""
    client = open_redis(context.redis)
    try:
        yield client
    finally:
        await client.aclose()


@dataclass(frozen=True)
class Stage:
    """The servers, their application, and where measurements are written down."""

    sentinels: Sentinels
    redis: Redis
    context: Context
    record: Callable[[str, object], None]

    @property
    def usage(self) -> UsageService:
        """What the callers use."""
        return UsageService(self.redis, self.context)

    async def account_for(self, account: Account, name: str) -> Balance:
        """Settle every call; nothing was counted twice, and no refused call at all."""
        layout = self.context.redis.layout
        balance = await settle(self.redis, self.usage, layout, account)
        self.record(name, f"{balance}, {len(account.unknown)} unknown")
        assert balance.counted == balance.kept + balance.done
        assert balance.after == len(account.confirmed) + len(account.unknown)
        return balance


@pytest.fixture
def stage(
    sentinels: Sentinels,
    redis: Redis,
    context: Context,
    record_testsuite_property: Callable[[str, object], None],
) -> Stage:
    """All of it."""
    return Stage(sentinels, redis, context, record_testsuite_property)


def first(heard: list[Announcement], channel: str) -> float:
    """Return when something was announced first."""
    return min(each.at for each in heard if each.channel == channel)


async def test_a_plain_failover_finds_no_caller_at_the_old_master(stage: Stage) -> None:
    """SENTINEL FAILOVER does not stop the old master, which confirms on for ten seconds
    and forgets it all; our callers wait from the announcement to the promotion. Lost
    connections to the Sentinels were made anew before."""
    async with load(stage.usage) as account:
        await account.until_each(20)
        before = await stage.sentinels.master()
        await listened_to_anew(stage.sentinels)
        async with stage.sentinels.announcements() as heard:
            await ask_node(stage.sentinels.sentinels[0], *FAILOVER)
            await stage.sentinels.until_all_name(other_than=before)
            await account.until_each(20)
        still = (await ask_node(before, "ROLE"))[0] == b"master"
    balance = await stage.account_for(account, "plain failover")

    chosen, promoted = first(heard, CHOSEN), first(heard, PROMOTED)
    assert still  # it did not send them away
    # What was under way when it was heard of, by them and by us, is answered still.
    assert sum(chosen < at < promoted for at in account.at) <= 3 * CALLERS
    assert balance.lost * 10 <= len(account.confirmed)
    assert not account.unknown


async def listened_to_anew(sentinels: Sentinels) -> None:
    """Cut off all that listen to the Sentinels, and wait until they do again."""
    await until(lambda: heard_by_all(sentinels))
    for each in sentinels.sentinels:
        await ask_node(each, "CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: heard_by_all(sentinels))


async def heard_by_all(sentinels: Sentinels) -> bool:
    """Tell whether somebody listens to each Sentinel."""
    return min(await sentinels.listeners()) > 0


async def test_a_switch_that_nobody_could_hear_of_is_found_later(stage: Stage) -> None:
    """Whoever could not listen for a while asks what was missed, and leaves with all
    connections, also those that nobody uses just then."""
    before = await switched_unheard(stage)

    for each in stage.sentinels.sentinels:
        await ask_node(each, "ACL", "SETUSER", "finder", "+subscribe")
    new = port_of(await stage.sentinels.master())

    async def left() -> bool:
        return await port_at(stage.redis) == new

    await until(left)
    assert await ports_of(stage.redis, 5) == {new}
    assert (await ask_node(before, "ROLE"))[0] == b"master"  # it sent nobody away


async def test_one_connection_that_finds_another_master_takes_all_along(
    stage: Stage,
) -> None:
    """Without the right to listen, a switch is noticed when a connection is made."""
    before = await switched_unheard(stage)
    new = port_of(await stage.sentinels.master())

    found = await ports_of(stage.redis, 6)  # one more than there are

    assert found == {port_of(before), new}
    assert await ports_of(stage.redis, 6) == {new}
    assert (await ask_node(before, "ROLE"))[0] == b"master"  # it sent nobody away


async def switched_unheard(stage: Stage) -> Valkey:
    """Have the master replaced while five connections to it are idle; return it."""
    before = await stage.sentinels.master()
    assert await ports_of(stage.redis, 5) == {port_of(before)}
    await until(lambda: heard_by_all(stage.sentinels))
    for each in stage.sentinels.sentinels:
        await ask_node(each, "ACL", "SETUSER", "finder", "-subscribe")
        await ask_node(each, "CLIENT", "KILL", "TYPE", "pubsub")
    async with stage.sentinels.announcements() as heard:
        await ask_node(stage.sentinels.sentinels[0], *FAILOVER)
        await until(lambda: said_by_all(heard, SWITCHED))
    assert await ports_of(stage.redis, 5) == {port_of(before)}
    return before


async def ports_of(redis: Redis, connections: int) -> set[int]:
    """Return the ports of the servers that so many connections at once lead to."""
    return {*await asyncio.gather(*(port_at(redis) for _ in range(connections)))}


async def said_by_all(heard: list[Announcement], channel: str) -> bool:
    """Tell whether each of the three Sentinels announced something."""
    return sum(each.channel == channel for each in heard) == SENTINELS


async def port_at(redis: Redis) -> int:
    """Return the port of the server that answers."""
    return int((await ask(redis, "CONFIG", "GET", "port"))[1])


async def test_a_sentinel_that_hangs_holds_up_nobody(stage: Stage) -> None:
    """As when its machine died together with the master's: the others are enough,
    though it is named first."""
    with stopped(stage.sentinels.sentinels[:1]):
        async with asyncio.timeout(20):
            made = await stage.usage.consume("acme", {CALLS: 1})

    assert made.allowed


async def test_a_client_can_be_closed_at_any_moment_of_its_asking(
    stage: Stage,
) -> None:
    """A cancellation that the library swallows does not keep it from ending: each time
    a Sentinel answers just then."""
    for turns in range(20):
        client = open_redis(stage.context.redis)
        with stopped(stage.sentinels.sentinels[:1]):
            await client.ping()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await client.aclose()


async def test_writes_go_on_as_soon_as_there_is_a_master(stage: Stage) -> None:
    """After a SIGKILL within down-after + 2 s, of which the Sentinels take most; the
    callers' share begins with the promotion."""
    loop = asyncio.get_running_loop()
    async with load(stage.usage) as account, stage.sentinels.announcements() as heard:
        await account.until_each(20)
        killed = loop.time()
        await (await stage.sentinels.master()).kill()
        await account.until_each(20)
    balance = await stage.account_for(account, "killed master")

    promoted, again = first(heard, PROMOTED), end_of_longest_pause(account)
    stage.record(
        "writes again",
        f"{again - killed:.2f} s after SIGKILL, {again - promoted:.2f} s of it ours",
    )
    assert again - promoted < 0.5
    # Unless the Sentinels, and not the callers, were late on a busy machine.
    assert again - killed < DOWN_AFTER_S + 2 or promoted - killed > DOWN_AFTER_S + 1.5
    assert balance.lost <= 2 * CALLERS


def end_of_longest_pause(account: Account) -> float:
    """Return when the first call was answered after none had been for a while."""
    pairs = zip(account.at, account.at[1:], strict=False)
    return max(pairs, key=lambda pair: pair[1] - pair[0])[1]


async def test_a_master_that_hangs_and_comes_back_keeps_no_caller(stage: Stage) -> None:
    """Its last answers are not waited for, and its return misleads nobody."""
    before = await stage.sentinels.master()
    async with load(stage.usage) as account:
        await account.until_each(20)
        with stopped([before]):
            await account.until_each(20)
        await until(lambda: answers_as(before, b"master"))
        await account.until_each(20)
    balance = await stage.account_for(account, "hung master")

    assert balance.lost <= 2 * CALLERS  # what had not left for a replica


async def answers_as(server: Valkey, role: bytes) -> bool:
    """Tell whether a server is back, as what it was."""
    return bool((await ask_node(server, "ROLE"))[0] == role)


@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "min-replicas"])
async def test_a_master_that_is_cut_off_loses_no_more_than_documented(
    stage: Stage, guarded: bool
) -> None:
    """Its callers reach it, replicas and Sentinels do not: it loses what it confirms
    until another is promoted. With min-replicas-to-write it confirms nothing alone;
    what it refuses is known to be refused."""
    before = await stage.sentinels.master()
    if guarded:
        await demand_replicas(stage.sentinels)
    async with load(stage.usage) as account, stage.sentinels.announcements() as heard:
        await account.until_each(20)
        cut = asyncio.get_running_loop().time()
        await cut_off(before, stage.context.redis)
        await stage.sentinels.until_all_name(other_than=before)
        await account.until_each(20)
    balance = await stage.account_for(account, f"cut off, {guarded}")

    promoted = first(heard, PROMOTED)
    alone = sum(cut < at < promoted for at in account.at)
    assert balance.lost <= alone + 2 * CALLERS
    assert not account.unknown
    if guarded:
        assert balance.lost <= 2 * CALLERS
        assert TOO_FEW in account.refused.values()
    else:
        assert balance.lost > 2 * CALLERS


async def demand_replicas(sentinels: Sentinels) -> None:
    """Set on each server what the contract advises."""
    for node in sentinels.nodes:
        await ask_node(node, "CONFIG", "SET", "min-replicas-max-lag", MAX_LAG_S)
        await ask_node(node, "CONFIG", "SET", "min-replicas-to-write", 1)


async def cut_off(master: Valkey, options: RedisOptions) -> None:
    """Let a master be reached by the application only."""
    # Replicas and Sentinels come as the default user, and no longer get in.
    own = replace(options, url=f"unix://{master.socket}", sentinel=None)
    client = open_redis(own)
    try:
        await ask(client, "ACL", "SETUSER", "default", "off")
        await ask(client, "CLIENT", "KILL", "TYPE", "replica")
        await ask(client, "CLIENT", "KILL", "USER", "default")
    finally:
        await client.aclose()


async def test_a_master_whose_replicas_are_silent_soon_refuses(stage: Stage) -> None:
    """With min-replicas-max-lag that many seconds after it last heard of one, and a
    second more: nothing is lost, and what is refused is known to be."""
    await demand_replicas(stage.sentinels)
    loop = asyncio.get_running_loop()
    replicas = [
        each for each in stage.sentinels.nodes if each is not stage.sentinels.nodes[0]
    ]
    async with load(stage.usage) as account:
        await account.until_each(20)
        silent = loop.time()
        with stopped(replicas):
            await until(lambda: refused(account))
            took = loop.time() - silent
        await account.until_each(20)
    balance = await stage.account_for(account, "silent replicas")

    stage.record("refused after", f"{took:.2f} s")
    assert took < MAX_LAG_S + 3
    assert (balance.lost, account.unknown) == (0, [])
    assert set(account.refused.values()) == {TOO_FEW}


async def refused(account: Account) -> bool:
    """Tell whether a call was refused."""
    return bool(account.refused)
