"""The public contract: another language counts by docs/redis-contract.md alone."""

import re
import shlex
from datetime import timedelta

import pytest
from tests.support.contexts import CALLS
from tests.support.contract_document import DOCUMENT, documented_text
from tests.support.raw import ask, expiry_ms

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.context import Context
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.services.usage import UsageService


@pytest.fixture
def acme(context: Context) -> str:
    """How the tenant is written in keys: with braces where they are tagged."""
    return "{acme}" if context.redis.layout.tagged else "acme"


def index_of(acme: str) -> list[str]:
    """Name the keys of the index; none where a tenant is written with braces."""
    if acme == "{acme}":
        return []
    return ["meterdeck:seq", "meterdeck:changed", "meterdeck:reserving"]


async def test_another_language_consumes_by_the_document_alone(
    redis: Redis, acme: str
) -> None:
    """EVAL with the documented keys and arguments gives the documented reply; with
    tagged keys without those of the index."""
    month = calendar_month(await server_time(redis))
    start, end = (
        str(int(each.timestamp() * 1000)) for each in (month.start, month.end)
    )
    await redis.hset(f"meterdeck:tenant:{acme}", "limit:images", "5")
    index = index_of(acme)

    reply = await ask(
        redis,
        "EVAL",
        documented_text("consume"),
        len(index) + 9,
        *index,
        *(f"meterdeck:tenant:{acme}", f"meterdeck:refusals:{acme}"),
        f"usage:{acme}:api_calls:{month.label}",
        f"usage:{acme}:images:{month.label}",
        f"meterdeck:override:{acme}:api_calls",
        f"meterdeck:override:{acme}:images",
        f"meterdeck:reserved:{acme}:api_calls:{month.label}",
        f"meterdeck:reserved:{acme}:images:{month.label}",
        f"meterdeck:call:{acme}:req-1",
        *("1", "2", "600", "1" if index else "0", "3024000000"),
        *("api_calls", start, end, month.label, "none", "none", ""),
        *("images", start, end, month.label, "none", "none", ""),
        *("acme", "", "1", "2", "1", "3", "2", "4"),
    )

    (answer,) = [[each.decode() for each in answer] for answer in reply]
    assert answer[:3] == ["ok", "0", "1"]
    assert answer[4:] == [
        *("api_calls", "3", "none", "none", "0", start, end, month.label),
        *("images", "4", "5", "plan", "0", start, end, month.label),
    ]


@pytest.mark.not_on("cluster")
async def test_the_documents_examples_are_calls(redis: Redis) -> None:
    """Both, word for word but for the time, are answered by what they were to count."""
    month = calendar_month(await server_time(redis))
    start, end = (str(int(each.timestamp())) for each in (month.start, month.end))
    await redis.hset("meterdeck:tenant:acme", mapping={"anchor": start})
    await redis.hset("meterdeck:tenant:acme", "interval", "month")
    await redis.hset("meterdeck:tenant:acme", "interval_count", "1")
    found = re.findall(r"^    EVALSHA <digest> ((?:.+\n)+)", DOCUMENT, re.MULTILINE)
    now = {
        "1763164800": start,
        "1793491200000": f"{start}000",
        "1796083200000": f"{end}000",
        "1794700800000": f"{start}000",
        "1797292800000": f"{end}000",
        "2026-11-15": f"{month.label}-01",
        "2026-11": month.label,
    }

    answers = []
    for example in found:
        for then, value in now.items():
            example = example.replace(then, value)  # noqa: PLW2901
        text = documented_text("consume")
        answers += await ask(redis, "EVAL", text, *shlex.split(example))

    first, second = [[each.decode() for each in answer] for answer in answers]
    assert (first[:3], first[4:]) == (["ok", "0", "1"], ["3", "none", "none", "0"])
    assert (second[:3], second[4:9], second[12:17]) == (
        ["ok", "0", "1"],
        ["images", "6", "100", "default", "0"],
        ["seats", "1", "none", "none", "0"],
    )


async def test_a_program_that_only_uses_incr_is_counted_on(
    redis: Redis, usage: UsageService, acme: str
) -> None:
    """The document's INCRBY and EXPIRE, then ours: one counter."""
    label = calendar_month(await server_time(redis)).label
    await ask(redis, "INCRBY", f"usage:{acme}:api_calls:{label}", 1)
    await ask(redis, "EXPIRE", f"usage:{acme}:api_calls:{label}", 3024000)

    assert (await usage.usage("acme"))[0].used == 1
    assert (await usage.consume("acme", {CALLS: 1})).resources[0].current == 2


@pytest.mark.parametrize(("there", "calls"), [(1, 1), (15, 1), (31, 2), (500, 16)])
async def test_a_counter_that_nobody_gave_an_expiry_gets_one(
    redis: Redis, usage: UsageService, acme: str, there: int, calls: int
) -> None:
    """A program that ended between INCR and EXPIRE leaves no counter for ever."""
    month = calendar_month(await server_time(redis))
    key = f"usage:{acme}:api_calls:{month.label}".encode()
    await ask(redis, "INCRBY", key, there)

    for _ in range(calls):
        await usage.consume("acme", {CALLS: 1})

    end = month.end + timedelta(days=35)
    assert await expiry_ms(redis, key) == int(end.timestamp() * 1000)


async def test_another_language_sets_a_gauge_by_the_document_alone(
    redis: Redis, acme: str
) -> None:
    """EVAL with the documented keys and arguments gives the documented reply."""
    keys = [
        f"meterdeck:tenant:{acme}",
        f"usage:{acme}:disk_gb:now",
        f"meterdeck:override:{acme}:disk_gb",
        f"meterdeck:beyond:{acme}:disk_gb:now",
        f"meterdeck:reserved:{acme}:disk_gb:now",
        f"meterdeck:measured:{acme}:disk_gb",
        f"meterdeck:call:{acme}:g-1",
        *index_of(acme)[:2],
    ]
    arguments: list[str | int] = [
        1 if index_of(acme) else 0,
        "acme",
        "disk_gb",
        700,
        "",
        500,
        "argument",
        "",
        600,
    ]
    text = documented_text("set_gauge")

    replies = [
        await ask(redis, "EVAL", text, len(keys), *keys, *arguments) for _ in range(2)
    ]

    told = [[value.decode() for value in reply] for reply in replies]
    assert told[0][:3] == ["ok", "0", "0"]
    assert told[0][4:9] == ["0", "700", "500", "argument", "over"]
    assert told[1] == ["ok", "1", *told[0][2:]]
    assert await redis.get(keys[1]) == b"700"


async def test_another_language_counts_members_by_the_document_alone(
    redis: Redis, acme: str
) -> None:
    """The same of distinct members."""
    month = calendar_month(await server_time(redis))
    start, end = (int(moment.timestamp() * 1000) for moment in (month.start, month.end))
    keys = [
        f"meterdeck:tenant:{acme}",
        f"usage:{acme}:active_users:{month.label}",
        f"meterdeck:override:{acme}:active_users",
        f"meterdeck:beyond:{acme}:active_users:{month.label}",
        f"meterdeck:refusals:{acme}",
        f"meterdeck:members:{acme}:active_users:{month.label}",
        f"meterdeck:trying:{acme}:active_users:{month.label}",
        *index_of(acme)[:2],
    ]
    term: list[str | int] = [
        "active_users",
        start,
        end,
        month.label,
        "",
        2,
        "argument",
        "",
    ]
    indexed = 1 if index_of(acme) else 0
    head: list[str | int] = [indexed, "acme", *term, 3024000000, 0, 0]
    text = documented_text("count_unique")

    replies = [
        await ask(redis, "EVAL", text, len(keys), *keys, *head, *members)
        for members in (["ann", "bob"], ["bob"], ["bob", "cem"])
    ]

    told = [[value.decode() for value in reply] for reply in replies]
    assert [reply[2] for reply in told] == ["1", "1", "0"]
    assert told[0][4:9] == ["active_users", "2", "2", "argument", "0"]
    assert told[2][8:] == ["over_limit", str(start), str(end), month.label]
    assert await redis.get(keys[1]) == b"2"
