"""`meterdeck requests`, and the writing commands where changes are by request."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from tests.integration.cli.conftest import CONFIG, CommandLine
from tests.support.billing import Till

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.model.delivery import Verdict
from meterdeck.core.services.engine import Engine
from meterdeck.core.settings import load_context

CONTEXT = """
[contexts.staging]
mode = "test"
default_plan = "free"
override_needs_expiry = false
changes = "request"
[contexts.staging.redis]
url = "{url}"
username = "{person}"
password = {{ value = "pw" }}
timeout_seconds = 10
[contexts.staging.requests]
people = {{ alice = "support", bob = "lead" }}
wait_seconds = 0
"""
READS = ("~*", "resetchannels", "-@all", "+@read", "+@connection", "+time")


@pytest.fixture
def people(
    store: redis.Redis, cli: CommandLine, tmp_path: Path
) -> dict[str, CommandLine]:
    """Each person at a shell of their own; `office` is the worker's."""
    found, server = {}, cast("Any", store)
    url = "redis://{host}:{port}/0".format(**store.connection_pool.connection_kwargs)
    for person in ("alice", "bob", "office"):
        own = f"(%W~meterdeck:requests:{person} +rpush)"
        rights = ("%R~*", *READS[1:], own) if person != "office" else ("~*", "+@all")
        server.execute_command("ACL", "SETUSER", person, "reset", "on", ">pw", *rights)
        config = tmp_path / f"{person}.toml"
        config.write_text(CONFIG + CONTEXT.format(url=url, person=person))
        config.chmod(0o600)
        found[person] = replace(cli, config=config)
    return found


def test_a_change_is_asked_for_approved_by_another_and_answered_again(
    people: dict[str, CommandLine], store: redis.Redis
) -> None:
    """Ends with 4 while it waits, whoever asks again; with 0 once it is done."""
    alice, bob, office = (people[name] for name in ("alice", "bob", "office"))
    change = ("override", "set", "acme", "api_calls", "9000", "--reason", "launch")
    again = (*change, "--operation-id", "r-1", "--json")
    store.hset("meterdeck:tenant:acme", "name", "Acme")

    asked = alice(*again)
    unread = alice("requests", "list", "--json").json
    silent = alice("requests", "list")
    office("requests", "serve", "--once")
    waits = bob("requests", "list", "--json").json
    text = bob("requests", "show", "r-1").out
    own = alice("requests", "approve", "alice:r-1")
    office("requests", "serve", "--once")
    approved = bob("requests", "approve", "r-1")
    office("requests", "serve", "--once", "--json")
    done = alice("requests", "show", "r-1", "--json")
    refused = alice("requests", "list")

    assert (asked.code, asked.json["asked"]["request"]) == (4, "r-1")
    assert [each["request"] for each in unread["asked"]] == ["r-1"]
    assert "no worker serves requests now" in silent.err
    (record,) = waits["pending"]
    assert (record["before"], record["after"]) == ("1,000", "9,000")
    assert "limit of api_calls of acme: 1,000 → 9,000" in text
    assert (own.code, approved.code) == (4, 4)
    assert "is your own" in refused.out
    assert "no worker serves" not in refused.err
    assert (done.code, done.json["request"]["state"]) == (0, "done")
    assert done.json["request"]["by"] == "bob"
    assert store.hget("meterdeck:override:acme:api_calls", "units") == b"9000"


def test_a_command_says_what_becomes_of_a_change_before_it_asks(
    people: dict[str, CommandLine], store: redis.Redis
) -> None:
    """That a second person has to approve it, and why; that nobody serves requests,
    until somebody does. A dry run says it, too, and the output for programs is not
    touched."""
    store.hset("meterdeck:tenant:acme", "name", "Acme")
    alice, signed = people["alice"], ("--reason", "why")

    small = alice("adjust", "acme", "api_calls", "+5", *signed, "--dry-run")
    people["office"]("requests", "serve", "--once")
    large = alice("adjust", "acme", "api_calls", "+600", *signed, "--json")
    limit = ("override", "set", "acme", "api_calls", "unlimited", *signed)
    raised = alice(*limit, "--dry-run", "--json")

    asked = "This is asked for"
    assert f"{asked}: no worker serves requests now, so it waits" in small.err
    assert "as it changes more than 50 % of what there is to use." in large.err
    assert "as it is from or to unlimited." in raised.err
    assert (large.json["asked"]["waiting_for"], raised.json["dry_run"]) == (
        "a worker's answer",
        True,
    )
    assert store.llen("meterdeck:requests:alice") == 1


@contextmanager
def worker(config: Path) -> Iterator[None]:
    """Serve requests in a thread of its own, as `requests serve` does."""
    context, end = load_context(config=config, environ={}), threading.Event()

    async def serve() -> None:
        async with Engine(context) as engine:
            server = engine.request_server(lambda answer: None)
            while not end.is_set():
                if not await server.serve():
                    await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(30)


def test_a_worker_answers_while_the_command_waits(
    people: dict[str, CommandLine],
    store: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it prints what a direct change prints, and ends as that does."""
    store.hset("meterdeck:tenant:acme", "name", "Acme")
    monkeypatch.setenv("METERDECK_CONTEXTS__STAGING__REQUESTS__WAIT_SECONDS", "30")
    alice, words = people["alice"], ("acme", "api_calls")
    signed = ("--reason", "why", "--json")

    with worker(people["office"].config):
        done = alice("adjust", *words, "+5", *signed)
        refused = alice("adjust", *words, "-9", *signed)
        waits = alice("adjust", *words, "+1", *signed, "--no-wait")

    assert (done.code, done.json["before"], done.json["after"]) == (0, 0, 5)
    assert (refused.code, refused.json["error"]["type"]) == (1, "Refused")
    assert (waits.code, waits.json["asked"]["waiting_for"]) == (4, "a worker's answer")


REPEATED = ("--reason", "launch", "--operation-id", "r-1")


@pytest.mark.parametrize("limit", ["1200", "+20%"])
def test_an_override_from_now_on_is_answered_again_as_it_was_asked_for(
    people: dict[str, CommandLine], store: redis.Redis, limit: str
) -> None:
    """Its limit and its end are the first one's, also while no worker has read it,
    while it waits, and once it is done."""
    alice, bob, office = (people[name] for name in ("alice", "bob", "office"))
    store.hset("meterdeck:tenant:acme", "name", "Acme")
    change = ("override", "set", "acme", "api_calls", limit, "--until", "3d", *REPEATED)
    large = (*change[:4], "x2", *change[5:-1], "r-2")

    codes = [alice(*change).code, alice(*large).code]
    codes += [alice(*change).code, alice(*large).code]
    office("requests", "serve", "--once")
    codes += [alice(*change).code, alice(*large).code]
    bob("requests", "approve", "r-2")
    office("requests", "serve", "--once")
    codes += [alice(*large).code, alice(*change).code]
    office("requests", "serve", "--once")

    assert codes == [4] * 8
    seen = alice("requests", "list", "-n", "20", "--json").json
    assert {each["state"] for each in seen["answered"]} == {"done"}
    assert store.hget("meterdeck:override:acme:api_calls", "units") == b"2000"
    assert store.xlen("meterdeck:audit:acme") == 2


@pytest.mark.parametrize("units", [7, 900])
def test_an_undo_that_is_repeated_is_answered_again(
    people: dict[str, CommandLine], cli: CommandLine, store: redis.Redis, units: int
) -> None:
    """With the entry named or not, while it waits and once it is done: no older entry
    is undone, and none that came later."""
    alice, bob, office = (people[name] for name in ("alice", "bob", "office"))
    store.hset("meterdeck:tenant:acme", "name", "Acme")
    for amount in (5, units):
        cli("adjust", "acme", "api_calls", f"+{amount}", "--reason", "why")
    (entry,) = cli("audit", "acme", "-n", "1", "--json").json["entries"]
    undo = ("undo", "acme", *REPEATED)
    named = ("undo", "acme", entry["id"], *REPEATED)

    codes = [alice(*undo).code]
    cli("adjust", "acme", "api_calls", "+1", "--reason", "later")
    codes += [alice(*undo).code]
    office("requests", "serve", "--once")
    codes += [alice(*undo).code, alice(*named).code]
    bob("requests", "approve", "r-1")
    office("requests", "serve", "--once")
    codes += [alice(*undo).code, alice(*named).code]
    office("requests", "serve", "--once")

    assert codes == [4] * 6
    seen = alice("requests", "list", "-n", "20", "--json").json
    assert {each["state"] for each in seen["answered"]} == {"done"}
    assert cli("usage", "acme", "--json").json["usage"][0]["used"] == 6


def dead_letters(config: Path, **units: int) -> list[str]:
    """Have an event of each tenant refused; return their identifiers."""
    context = load_context(config=config, environ={})

    async def fail() -> list[str]:
        client, names = open_redis(context.redis), []
        for tenant, count in units.items():
            till = await Till.open(client, context, tenant)
            await till.use(count)
            claim = await till.claim()
            await till.settle(claim, Verdict.DEAD)
            names.append(claim.event.identifier)
        await client.aclose()
        return names

    return asyncio.run(fail())


@pytest.mark.parametrize("waits", [True, False])
def test_every_letter_is_asked_for_whoever_answers_the_first(
    people: dict[str, CommandLine],
    store: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    *,
    waits: bool,
) -> None:
    """With all of them and named, also where no worker answers in time, which is
    waited for once; what has to be approved keeps no other from being asked for."""
    if waits:
        monkeypatch.setenv("METERDECK_CONTEXTS__STAGING__REQUESTS__WAIT_SECONDS", "1")
    alice, office = people["alice"], people["office"]
    names = dead_letters(office.config, acme=900, bee=6, cow=7, doe=8, elk=9, fox=10)
    sure = ("--yes", "--reason", "mended", *(() if waits else ("--no-wait",)))

    began = time.monotonic()
    named = alice("replay", *names, *sure, "--operation-id", "r", "--json")
    took_s = time.monotonic() - began
    office("requests", "serve", "--once")
    again = alice("replay", "--all", *sure, "--operation-id", "r")
    (left,) = alice("letters", "--json").json["letters"]

    assert [each["asked"]["waiting_for"] for each in named.json["letters"]] == [
        "a worker's answer"
    ] * len(names)
    assert took_s < len(names)
    assert {each["problem"] for each in named.json["letters"]} == {None}
    assert (named.code, left["tenant"]) == (4, "acme")
    assert (again.code, again.err.splitlines()[-1]) == (
        4,
        "0 go out again, 1 asked for",
    )
    assert store.llen("meterdeck:requests:alice") == 1


def test_letters_that_wait_and_letters_that_go_out_are_told_of_each(
    people: dict[str, CommandLine],
    store: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said first what will become of them, each sentence once; then what has;
    and it ends with 4 though most of it is done."""
    monkeypatch.setenv("METERDECK_CONTEXTS__STAGING__REQUESTS__WAIT_SECONDS", "30")
    alice, office = people["alice"], people["office"]
    dead_letters(office.config, acme=900, bee=6, cow=7)

    with worker(office.config):
        dry = alice("replay", "--all")
        done = alice("replay", "--all", "--yes", "--reason", "mended")

    foretold = {
        "2 letters: This is asked for: a worker makes it at once.",
        "1 letter: This is asked for: a second person has to approve it, as it changes"
        " more than 50 % of what there is to use.",
    }
    assert set(dry.err.splitlines()[:2]) == set(done.err.splitlines()[:2]) == foretold
    assert (dry.code, done.code) == (0, 4)
    assert done.err.splitlines()[2:] == ["2 go out again, 1 asked for"]
    assert done.out.count("goes out again") == 2
    assert "waiting for another person's approval, because it changes" in done.out


def test_where_changes_are_direct_nothing_is_asked_for(cli: CommandLine) -> None:
    """Every command of it says so and ends with 1."""
    for words in (("list",), ("show", "x"), ("approve", "x"), ("serve", "--once")):
        done = cli("requests", *words)

        assert done.code == 1
        assert "changes are made directly" in done.err
