"""Commands on what is no sum: gauges and distinct members, and how they are shown."""

import json

import pytest
import redis
from tests.integration.cli.conftest import CommandLine

KINDS = """
[resources.disk_gb]
label = "Disk"
unit = "GB"
scale = 3
kind = "gauge"
[resources.active_users]
label = "Active users"
kind = "unique"
"""


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """The same contexts with a gauge and a resource of members."""
    cli.config.write_text(cli.config.read_text() + KINDS)
    return cli


def test_gauge_set_records_a_level_whatever_the_limit(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """Before and after are told, and that it is over; that is no failure."""
    store.hset("meterdeck:tenant:acme", "limit:disk_gb", "2000")
    first = cli("gauge", "set", "acme", "disk_gb", "1.5", "--call-id", "g-1", "--json")
    over = cli("gauge", "set", "acme", "disk_gb", "2.25")
    again = cli("gauge", "set", "acme", "disk_gb", "1.5", "--call-id", "g-1", "--json")

    assert (first.code, over.code, again.code) == (0, 0, 0)
    assert (first.json["before"], first.json["current"]) == (0, 1500)
    assert (first.json["limit"], first.json["limit_source"]) == (2000, "plan")
    assert (first.json["over"], first.json["remaining"]) == (False, 500)
    assert "Disk: 1.5 → 2.25" in over.out
    assert "over the limit" in over.out
    assert again.json["replayed"] is True
    assert store.get("usage:acme:disk_gb:now") == b"2250"


def test_gauge_set_of_an_older_level_changes_nothing(
    cli: CommandLine, store: redis.Redis
) -> None:
    """It ends with 1 and says when the newest one was measured."""
    cli("gauge", "set", "acme", "disk_gb", "3", "--at", "2026-01-02T10:00Z")

    late = cli("gauge", "set", "acme", "disk_gb", "9", "--at", "2026-01-02T09:59Z")
    told = cli(
        "gauge", "set", "acme", "disk_gb", "9", "--at", "2026-01-02T09:59Z", "--json"
    )

    assert (late.code, told.code) == (1, 1)
    assert "not recorded: the newest reading is of 2026-01-02T10:00:00Z" in late.err
    assert (told.json["stale"], told.json["current"]) == (True, 3000)
    assert store.get("usage:acme:disk_gb:now") == b"3000"


def test_unique_add_counts_members_once_and_ends_with_1_at_the_limit(
    cli: CommandLine, store: redis.Redis
) -> None:
    """As consume does: allowed or refused, with what is left."""
    store.hset("meterdeck:tenant:acme", "limit:active_users", "2")
    first = cli("unique", "add", "acme", "active_users", "ann", "bob", "ann", "--json")
    known = cli("unique", "add", "acme", "active_users", "bob")
    third = cli("unique", "add", "acme", "active_users", "bob", "cem", "--json")

    assert (first.code, known.code, third.code) == (0, 0, 1)
    (each,) = first.json["resources"]
    assert (each["current"], each["remaining"]) == (2, 0)
    assert known.out.startswith("allowed  acme")
    assert third.json["resources"][0]["reason"] == "over_limit"


def test_a_member_is_counted_by_the_very_text_of_it(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Chats' ids begin with a minus; a blank before one makes it somebody else."""
    words = ("unique", "add", "acme", "active_users")
    first = cli(*words, "-1001234", "--json")
    others = cli(*words, " -1001234", "-1001234", "-7,5", "--json")

    assert first.json["resources"][0]["current"] == 1
    assert others.json["resources"][0]["current"] == 3


def test_a_command_for_another_kind_says_which_one_is_right(
    cli: CommandLine, store: redis.Redis
) -> None:
    """In one sentence, with exit code 2, and nothing is written."""
    done = [
        cli("consume", "acme", "active_users=1"),
        cli("consume", "acme", "active_users=1", "--dry-run"),
        cli("gauge", "set", "acme", "api_calls", "1"),
        cli("unique", "add", "acme", "disk_gb", "ann"),
        cli("gauge", "set", "acme", "disk_gb", "1", "--at", "someday"),
    ]

    assert {each.code for each in done} == {2}
    assert "name them with count_unique" in done[0].err
    assert "name them with count_unique" in done[1].err
    assert "count it with consume" in done[2].err
    assert "set it with set_gauge" in done[3].err
    assert "--at 'someday' is not a moment" in done[4].err
    assert store.keys("*") == []


def test_a_gauge_is_shown_without_a_reset(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """In words, and as null in JSON: of one tenant, of all, and of a refusal."""
    store.hset("meterdeck:tenant:acme", "limit:disk_gb", "2000")
    cli("gauge", "set", "acme", "disk_gb", "1.9")
    cli("consume", "acme", "disk_gb=1")
    endless = {"label": "now", "start": None, "end": None}

    usage = {
        each["resource"]: each for each in cli("usage", "acme", "--json").json["usage"]
    }
    (tenant,) = cli("tenants", "--json").json["tenants"]
    (refusal,) = cli("why", "acme", "--json").json["refusals"]

    assert usage["disk_gb"]["period"] == refusal["period"] == endless
    assert usage["disk_gb"]["used"] == 1900
    assert usage["active_users"]["period"]["end"] is not None
    shown = {each["resource"]: each for each in tenant["usage"]}
    assert shown["disk_gb"]["period"] == endless
    assert shown["disk_gb"]["used"] == 1900
    assert "does not reset" in cli("usage", "acme").out
    assert "never" in cli("tenants").out
    assert "now" in cli("why", "acme").out


def test_an_operator_adjusts_and_undoes_a_gauge(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """With the same commands as a counter."""
    cli("gauge", "set", "acme", "disk_gb", "1")
    reason = ("--reason", "wrong disk", "--json")

    adjusted = cli("adjust", "acme", "disk_gb", "+0.5", *reason)
    undone = cli("undo", "acme", *reason)

    assert (adjusted.json["after"], adjusted.json["period"]) == (1500, "now")
    assert undone.code == 0
    assert json.loads(undone.json["after"]) == 1000
    assert store.get("usage:acme:disk_gb:now") == b"1000"


def test_both_ask_before_they_change_a_live_context(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Without a terminal there is nobody to ask; a read-only context refuses."""
    words = (
        ("gauge", "set", "acme", "disk_gb", "1"),
        ("unique", "add", "acme", "active_users", "ann"),
    )
    for each in words:
        live = cli.finished(*each, "--context", "production")
        read_only = cli(*each, "--read-only")
        assert (live.code, read_only.code) == (1, 1)
        assert "add --yes" in live.err
        assert "read-only" in read_only.err
    assert store.keys("*") == []

    assert cli(*words[0], "--context", "production", "--yes").code == 0
