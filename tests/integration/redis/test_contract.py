"""The public contract: what docs/redis-contract.md tells other languages holds."""

import hashlib
import re
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.billing import Till, settled, signed
from tests.support.contexts import (
    CALLS,
    DISK,
    IMAGES,
    RENDERS,
    USERS,
    with_events,
    with_kinds,
    with_rule,
)
from tests.support.raw import ask, expiry_ms
from tests.support.restricted import restricted

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.redis_client import Redis, open_redis, server_time
from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.errors import Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context, Secret
from meterdeck.core.model.delivery import Claim, Confirmation, Verdict
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.queued import QueuedResult
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "redis-contract.md").read_text()
LUA = ROOT / "core" / "adapters" / "lua"


@pytest.fixture
def acme(context: Context) -> str:
    """How the tenant is written in keys: with braces where they are tagged."""
    return "{acme}" if context.redis.layout.tagged else "acme"


def index_of(acme: str) -> list[str]:
    """Name the keys of the index; none where a tenant is written with braces."""
    if acme == "{acme}":
        return []
    return ["meterdeck:seq", "meterdeck:changed", "meterdeck:reserving"]


def documented_text(script: str) -> bytes:
    """Build a script's text as the document says."""
    row = re.search(rf"^\| {script} \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert row is not None
    names = re.findall(r"`(\w+\.lua)`", row[1])
    return b"#!lua\n" + b"\n".join((LUA / name).read_bytes() for name in names)


@pytest.mark.parametrize("script", script_texts())
def test_the_text_of_a_script_is_what_the_document_says(script: str) -> None:
    """So both sides share the digest, and the server keeps one script."""
    digest = hashlib.sha1(documented_text(script), usedforsecurity=False).hexdigest()

    assert digest == script_texts()[script].digest


def test_every_script_of_the_document_is_written_out() -> None:
    """What `meterdeck scripts` lists is the document's table."""
    named = re.findall(r"^\| (\w+) \| `checks\.lua`", DOCUMENT, re.MULTILINE)

    assert named == list(script_texts())


async def bill(redis: Redis, context: Context) -> None:
    """Have every script of delivery run once, for a tenant of its own."""
    till, letters = await Till.open(redis, context, "billed"), Letters(redis, context)
    who = till.wanted.counter
    await till.use(5)
    await till.settle(await till.claim(), Verdict.DEAD)
    (letter,) = await letters.of("billed")
    await letters.replay(letter, signed("op-1"))
    await till.settle(await till.claim())
    await till.records.confirm([Confirmation(who, 5, 2)])
    await letters.compensate(who, 1, signed("op-2"))
    claim = await till.claim()
    assert await letters.refuse_late(replace(letter, event=claim.event, units=-1))
    unknown = replace(letter.event, identifier="md1-none-9")
    with pytest.raises(Refused):
        await letters.begin_cancel(
            replace(letter, event=unknown), rebill=False, signature=signed("op-3")
        )


@pytest.mark.not_on("cluster")
async def test_the_scripts_that_are_written_out_are_the_ones_that_are_sent(
    redis: Redis,
    context: Context,
    usage: UsageService,
    changes: OperatorChanges,
    actor: Actor,
) -> None:
    """After everything was done once, the server knows each of them by its digest."""
    add = Adjustment(
        TenantId("acme"), CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "r"
    )
    await ask(redis, "SCRIPT", "FLUSH")
    made = await usage.reserve("acme", {CALLS: 1}, ttl=timedelta(hours=1), call_id="id")
    counter = f"usage:acme:api_calls:{made.resources[0].period.label}"
    await redis.zadd("meterdeck:reserving", {counter: 1})
    await usage.give_back_expired()
    await usage.confirm("acme", "id")
    of_kinds = UsageService(redis, with_kinds(context))
    await of_kinds.set_gauge("acme", DISK, 1)
    await of_kinds.count_unique("acme", USERS, ["ann"])
    by_events = with_events(context)
    await UsageService(redis, by_events).track("acme", RENDERS)
    queue = EventQueue(redis, by_events, "worker")
    taken = await queue.take(1)
    await queue.settle([QueuedResult(each, Verdict.DEAD) for each in taken])
    await bill(redis, context)
    await changes.adjust(add, actor=actor, operation_id="op-1")
    await changes.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )
    await changes.clear_override(
        "acme", CALLS, actor=actor, reason="r", operation_id="op-3"
    )

    digests = {name: each.digest for name, each in script_texts().items()}
    del digests["replay"]  # test_replay_script compares that one
    del digests["forget_unsettled"]  # only where keys are tagged
    del digests["hold_billing"]  # reconciliation's
    del digests["keep_samples"]  # the sweep's
    del digests["next_request"], digests["settle_request"]  # test_requests runs them
    del digests["write_alerts"]  # a worker's, and operators' by test_alerts
    known = await ask(redis, "SCRIPT", "EXISTS", *digests.values())

    assert [name for name, there in zip(digests, known, strict=True) if not there] == []


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


async def test_the_document_names_every_key_with_its_type(
    redis: Redis, context: Context, actor: Actor
) -> None:
    """Every key that counting and changing leaves is in the table, with its type."""
    context = with_kinds(context)
    usage, changes = UsageService(redis, context), OperatorChanges(redis, context)
    await usage.set_gauge("acme", DISK, 5)
    await usage.count_unique("acme", USERS, ["ann"])
    shadow = LimitRule(Enforcement.SHADOW)
    ruled = UsageService(redis, with_rule(context, CALLS, shadow, 0))
    await ruled.consume("acme", {CALLS: 1, IMAGES: 1}, call_id="id")
    await ruled.release("acme", "id")
    await usage.reserve("acme", {IMAGES: 1}, ttl=timedelta(hours=1), call_id="id-2")
    await usage.consume("acme", {IMAGES: 11})
    await changes.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="id",
    )
    types = {"string": "string", "hash": "hash", "set": "set", "stream": "stream"}
    types["zset"] = "sorted set"

    for key in await ask(redis, "KEYS", "*"):
        name = re.sub(r"\d{4}-\d{2}|\bnow$", "{period}", key.decode())
        name = name.replace("{acme}", "acme")  # the braces of the tag
        name = name.replace("acme", "{tenant}").replace(":id-2", ":{id}")
        name = name.replace(":id", ":{id}")
        name = re.sub("api_calls|images|disk_gb|active_users", "{resource}", name)
        kind = types[(await ask(redis, "TYPE", key)).decode()]
        assert f"| `{name}` | {kind} |" in DOCUMENT


def test_every_key_of_the_layout_is_in_the_document() -> None:
    """A new key without a line in the contract is noticed here."""
    layout = KeyLayout()
    keys = [
        layout.counter("{tenant}", "{resource}", "{period}"),
        layout.tenant("{tenant}"),
        layout.tenants(),
        layout.directory(),
        layout.override("{tenant}", "{resource}"),
        layout.overrides("{tenant}"),
        layout.overridden(),
        layout.billing("{tenant}", "{resource}", "{period}"),
        layout.audit("{tenant}"),
        layout.undone("{tenant}"),
        layout.audited(),
        layout.operation("{tenant}", "{id}"),
        layout.call("{tenant}", "{id}"),
        layout.settled("{tenant}", "{id}"),
        layout.reserved("{tenant}", "{resource}", "{period}"),
        layout.reserving(),
        layout.beyond("{tenant}", "{resource}", "{period}"),
        layout.members("{tenant}", "{resource}", "{period}"),
        layout.trying("{tenant}", "{resource}", "{period}"),
        layout.measured("{tenant}", "{resource}"),
        layout.refusals("{tenant}"),
        layout.history("{tenant}", "{period}"),
        layout.sampled("{month}"),
        layout.changed(),
        layout.sequence(),
        layout.contract(),
        layout.queue("{tenant}"),
        layout.queued("{tenant}"),
        layout.queues(),
        layout.events(),
        layout.unsettled(),
        layout.letters("{tenant}"),
        layout.lettered(),
        layout.reports(),
        layout.syncing(),
        layout.workers(),
        layout.alerts("{tenant}"),
        layout.alerting(),
        layout.alerted(),
        layout.alert_due(),
        layout.requests("{person}"),
        layout.pending(),
        layout.answers("{person}"),
        layout.answered("{person}", "{id}"),
    ]

    for key in keys:
        assert f"| `{key.decode()}` |" in DOCUMENT
    documented = re.findall(r"^\| `((?:usage|meterdeck):[^`]+)` \|", DOCUMENT, re.M)
    assert sorted(documented) == sorted(key.decode() for key in keys)


async def test_the_documented_rights_are_enough_to_consume(
    redis: Redis, context: Context
) -> None:
    """An application's user with exactly these rights counts; on a cluster it needs
    two more, to find the nodes."""
    rights = re.search(r"needs `(\+evalsha[^`]+)`", DOCUMENT)
    besides = re.search(r"every user needs `(\S+)` and `(\S+)` besides", DOCUMENT)
    assert rights is not None
    assert besides is not None
    keys = ("~usage:*", "~meterdeck:*")
    given = (*rights[1].split(), *(besides.groups() if context.redis.cluster else ()))
    await ask(redis, "ACL", "SETUSER", "app", "on", ">pw", *keys, *given)
    client = open_redis(replace(context.redis, username="app", password=Secret("pw")))
    try:
        made = await UsageService(client, context).consume(
            "acme", {CALLS: 2}, call_id="req-1"
        )
        assert made.resources[0].current == 2
    finally:
        await client.aclose()
        await ask(redis, "ACL", "DELUSER", "app")


@pytest.mark.not_on("cluster")  # a client of one wants to know its nodes, too
@pytest.mark.parametrize(
    ("script", "needs"),
    [
        ("set_gauge", r"set_gauge needs `([^`]+)`"),
        ("count_unique", r"count_unique\s+`([^`]+)`"),
    ],
)
async def test_the_documented_rights_are_enough_for_gauges_and_members(
    redis: Redis, context: Context, script: str, needs: str
) -> None:
    """Those of consume, and the script's own; records of refusals want more."""
    rights = [
        re.search(each, DOCUMENT) for each in (r"needs `(\+evalsha[^`]+)`", needs)
    ]
    granted = " ".join(found[1] for found in rights if found).split()
    connecting = ("+ping", "+hello", "+client")
    async with restricted(
        redis, context.redis, "-@all", *connecting, *granted
    ) as client:
        usage = UsageService(client, with_kinds(context))
        if script == "set_gauge":
            assert (await usage.set_gauge("acme", DISK, 5)).current == 5
            return
        limits = {str(USERS): 1}
        made = [
            await usage.count_unique("acme", USERS, [name], limits=limits)
            for name in ("ann", "bob")
        ]

    assert [each.allowed for each in made] == [True, False]
    assert await redis.exists(KeyLayout().refusals("acme")) == 0


@pytest.mark.not_on("cluster")  # a client of one wants to know its nodes, too
async def test_the_documented_rights_are_enough_to_claim_and_settle(
    redis: Redis, context: Context
) -> None:
    """Also where the event is refused, and where it is waited for a replica."""
    rights = re.search(r"claim and settle a worker needs `([^`]+)`", DOCUMENT)
    assert rights is not None
    till = await Till.open(redis, context)
    await till.use(5)
    connecting = ("+ping", "+hello", "+client")
    granted = rights[1].split()
    async with restricted(
        redis, context.redis, "-@all", *connecting, *granted
    ) as client:
        records = BillingRecords(client, context, "worker")
        (claim,) = await records.claim([till.wanted])
        assert isinstance(claim, Claim)
        assert await records.settle([settled(claim, Verdict.DEAD)]) == [True]
        assert (await records.read([till.wanted.counter]))[0].parked == 5


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
