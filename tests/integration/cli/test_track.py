"""`meterdeck track`: use that is billed by an event of its own."""

import asyncio
import json
import re

import pytest
import redis
from tests.integration.cli.conftest import CommandLine, Done
from tests.support.proxy import Proxy

from meterdeck.core.sandbox.valkey import Valkey

WHY = ("--reason", "asked for")
RENDERS = """
[resources.renders]
label = "Renders"
unit = "frame"
meter = "renders"
scale = 2
billed_by = "events"
"""


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """The same contexts with a resource that is billed by events."""
    cli.config.write_text(cli.config.read_text() + RENDERS)
    return cli


def queued(store: redis.Redis) -> list[dict[bytes, bytes]]:
    """Return the fields of every queued event."""
    entries: list[tuple[bytes, dict[bytes, bytes]]] = store.xrange(  # type: ignore[assignment]  # not awaited
        "meterdeck:queue"
    )
    return [fields for _, fields in entries]


def test_track_counts_and_queues_once_an_id_and_ends_with_1_at_the_limit(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """As consume does, with dimensions and the time of use."""
    store.hset("meterdeck:tenant:acme", "limit:renders", "200")
    words = ("track", "acme", "renders", "1.5", "--dimension", "size=xl", "--at", "1m")
    options = ("--dimension", "zone=eu", "--call-id", "r-1")

    first = cli(*words, *options, "--json")
    over = cli("track", "acme", "renders", "1")
    dry = cli("track", "acme", "renders", "--dry-run")

    assert (first.code, over.code, dry.code) == (0, 1, 1)
    (each,) = first.json["resources"]
    assert (each["current"], each["remaining"]) == (150, 50)
    assert (first.json["call_id"], first.json["replayed"]) == ("r-1", False)
    assert over.out.startswith("refused  acme")
    assert "dry run: nothing was counted" in dry.err
    (event,) = queued(store)
    assert event[b"value"] == b"1.5"
    assert json.loads(event[b"dimensions"]) == {"size": "xl", "zone": "eu"}


def test_a_dry_run_of_track_lets_pass_what_the_limits_rule_does(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """A soft limit is told to be passed, and nothing is counted or queued."""
    text = cli.config.read_text()
    cli.config.write_text(text.replace(RENDERS, f'{RENDERS}enforcement = "soft"\n'))
    store.hset("meterdeck:tenant:acme", "limit:renders", "200")

    dry = cli("track", "acme", "renders", "3", "--dry-run")
    counted, done = queued(store), cli("track", "acme", "renders", "3")

    assert (dry.code, done.code, counted) == (0, 0, [])
    for each in (dry, done):
        assert each.out.startswith("allowed  acme")
        assert "over the limit, and allowed" in each.out


def test_a_lost_answer_names_the_moment_that_a_repeat_needs(
    cli: CommandLine, store: redis.Redis, valkey_server: Valkey
) -> None:
    """By then `--at 10m` is another one, and refused; that of the sentence is not."""
    words = ("track", "acme", "renders", "3", "--call-id", "job-1")
    text = cli.config.read_text()

    async def robbed() -> Done:
        async with Proxy(valkey_server.url) as proxy:
            proxy.lose(b"job-1", times=2)  # it is asked for once more
            cli.config.write_text(text.replace(valkey_server.url, proxy.url))
            return await asyncio.to_thread(cli, *words, "--at", "10m", "--json")

    lost = asyncio.run(robbed())
    cli.config.write_text(text)
    error = lost.json["error"]
    found = re.search(r"with --at (\S+) was sent and the answer", error["message"])
    assert found
    other = cli(*words, "--at", "20m")
    again = cli(*words, "--at", found[1], "--json")

    assert (lost.code, error["operation_id"]) == (3, "job-1")
    assert (other.code, again.code, again.json["replayed"]) == (1, 0, True)
    assert "or for this one at another moment; nothing was changed" in other.err
    assert [each[b"tenant"] for each in queued(store)] == [b"acme"]


def test_closing_does_not_say_that_nothing_is_unsent(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Not while events wait in the queue, and use of who is nobody's customer."""
    assert cli("track", "acme", "renders", "5").code == 0
    text, form = cli("closing", "--hours", "744"), cli("closing", "--json").json
    assert cli("consume", "ghost", "api_calls=70").code == 0
    (row,) = cli("closing", "--hours", "744", "--json").json["closing"]

    assert (text.code, text.out) == (0, "")
    assert "no counter is unsent" in text.err
    assert "1 event of track() waits in the queue" in text.err
    assert (form["closing"], form["queued"]) == ([], 1)
    assert (row["tenant"], row["customer"], row["unsent"]) == ("ghost", None, 70)


def test_the_bill_follows_no_change_of_what_is_billed_by_events(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Nothing would reach Stripe; a sentence says what to do. The quota is changed."""
    assert cli("track", "acme", "renders", "5").code == 0
    words = ("adjust", "acme", "renders", "-1", *WHY)

    refused = cli(*words, "--bill", "quota-and-bill", "--yes")
    dry = cli(*words, "--bill", "quota-and-bill", "--dry-run")
    reset = cli("reset", "acme", "renders", *WHY, "--bill", "quota-and-bill", "--yes")
    done = cli(*words, "--yes", "--json").json

    assert {each.code for each in (refused, dry, reset)} == {2}
    assert "renders is billed by events, and its bill" in refused.err
    assert "cancel the event within 24 hours" in refused.err
    assert (done["before"], done["after"]) == (500, 400)


def test_what_track_cannot_do_is_said_in_a_sentence_and_writes_nothing(
    cli: CommandLine, store: redis.Redis
) -> None:
    """With exit code 2; of a read-only context 1."""
    done = [
        cli("track", "acme", "api_calls"),
        cli("consume", "acme", "renders=1"),
        cli("track", "acme", "renders", "0"),
        cli("track", "acme", "renders", "--dimension", "xl"),
        cli("track", "acme", "renders", "--dimension", "a=1", "--dimension", "a=2"),
        cli("track", "acme", "renders", "--at", "someday"),
        cli("track", "acme", "renders", "--at", "36d"),
    ]
    read_only = cli("track", "acme", "renders", "--read-only")

    assert {each.code for each in done} == {2}
    assert read_only.code == 1
    words = [
        "count it with consume",
        "give it to track",
        "cannot be tracked",
        "is no dimension",
        "given twice",
        "--at 'someday' is not a moment",
        "more than 35 days ago",
    ]
    for each, wanted in zip(done, words, strict=True):
        assert wanted in each.err
    assert store.keys("*") == []
