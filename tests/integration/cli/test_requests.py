"""`meterdeck requests`, and the writing commands where changes are by request."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from tests.integration.cli.conftest import CONFIG, CommandLine

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


def test_where_changes_are_direct_nothing_is_asked_for(cli: CommandLine) -> None:
    """Every command of it says so and ends with 1."""
    for words in (("list",), ("show", "x"), ("approve", "x"), ("serve", "--once")):
        done = cli("requests", *words)

        assert done.code == 1
        assert "changes are made directly" in done.err
