"""Commands that show: usage, tenants, events, audit, contexts, config."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller

HOSTILE = "\x1b[31mred\x07\u202eevil"


@pytest.fixture
def month(store: redis.Redis) -> str:
    """The current month by the server's clock."""
    seconds, _ = store.time()
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"


def test_usage_is_one_json_object_with_stable_keys(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """Quantities are whole numbers of the smallest unit; the period is [start, end)."""
    store.set(f"usage:acme:api_calls:{month}", 12_500)

    done = cli("usage", "acme", "--json")

    assert done.code == 0
    assert done.json["context"] == "staging"
    assert done.json["mode"] == "test"
    assert done.json["tenant"] == {
        "id": "acme",
        "name": "Acme Corp",
        "customer": "cus_acme",
        "subscription": "sub_acme",
        "plan": "pro",
        "status": "active",
    }
    calls, storage = done.json["usage"]
    assert calls["period"].pop("label") == month
    assert calls["period"]["start"] == f"{month}-01T00:00:00Z"
    assert calls["period"]["end"] > calls["period"]["start"]
    del calls["period"]
    assert calls == {
        "resource": "api_calls",
        "unit": "call",
        "scale": 0,
        "used": 12_500,
        "broken": None,
        "limit": 100_000,
        "limit_source": "plan",
        "remaining": 87_500,
        "percent": 12,
        "rule": "hard",
        "reserved": 0,
        "over": 0,
        "grace_ends_at": None,
        "shadow_calls": 0,
        "shadow_units": 0,
    }
    assert (storage["scale"], storage["limit"]) == (3, 50_500)


def test_history_tells_rates_earlier_periods_and_what_it_does_not_know(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """An hour that nobody looked at is part of a longer stretch, and says so."""
    first = datetime.fromisoformat(f"{month}-01")
    before = f"{first - timedelta(days=1):%Y-%m}"
    store.mset(
        {
            f"usage:acme:api_calls:{month}": 12_500,
            f"usage:acme:api_calls:{before}": "91000",
        }
    )

    done = cli("usage", "acme", "--history", "--json")

    calls = done.json["history"][0]
    assert (calls["used"], calls["problem"]) == (12_500, None)
    (past,) = calls["earlier"]
    assert past["period"]["label"] == before
    assert (past["used"], past["percent"], past["limit_known"]) == (91_000, 91, False)
    assert sum(each["used"] or 0 for each in calls["days"]) in range(12_480, 12_521)
    rate = calls["last_hour"]
    assert rate is None or rate["over_s"] != 3600
    shown = cli("usage", "acme", "--history")
    (line,) = [each for each in shown.out.splitlines() if each.strip()[:7] == before]
    assert line.split()[:5] == [before, "91,000", "of", "100,000,", "today's"]
    assert cli("usage", "acme", "--stripe").code == 2


def test_usage_tells_the_rule_and_what_went_beyond_it(
    cli: CommandLine, acme: str
) -> None:
    """Grace and when it ends, for people and for programs."""
    ruled = '[resources.api_calls]\nenforcement = "hard"\ngrace_hours = 48'
    text = cli.config.read_text()
    cli.config.write_text(text.replace("[resources.api_calls]", ruled, 1))
    assert cli("consume", "acme", "api_calls=100250").code == 0

    (calls, *_) = cli("usage", "acme", "--json").json["usage"]
    assert (calls["rule"], calls["over"]) == ("hard - 172800", 250)
    assert calls["grace_ends_at"].endswith("Z")
    assert "grace 48 h · 250 over · grace until 20" in cli("usage", "acme").out


def test_usage_for_people_is_aligned_with_a_bar_and_a_percent(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """The share is text as well as a bar; without a terminal there is no colour."""
    store.set(f"usage:acme:api_calls:{month}", 95_000)
    store.set(f"usage:acme:storage_gb:{month}", 1_500)

    done = cli("usage", "acme")

    head, calls, storage = done.out.splitlines()
    assert head == "Acme Corp  acme · pro · active"
    assert "95,000  of 100,000" in calls
    assert "███████████████████░  95 %" in calls
    assert "1.5  of 50.5" in storage
    assert calls.index("resets") == storage.index("resets")
    assert "\x1b" not in done.out


def test_a_tenant_is_found_by_its_customer_too(cli: CommandLine, acme: str) -> None:
    """Support has the customer's id from Stripe."""
    assert cli("usage", "cus_acme", "--json").json["tenant"]["id"] == "acme"


def test_a_tenant_that_only_counters_tell_of_is_shown(
    cli: CommandLine, store: redis.Redis, month: str
) -> None:
    """An application that writes INCR alone is enough."""
    store.set(f"usage:legacy:api_calls:{month}", 3)

    done = cli("usage", "legacy", "--json")

    assert done.json["tenant"]["status"] == "unknown"
    assert done.json["usage"][0]["used"] == 3
    assert done.json["usage"][0]["limit_source"] == "default"


def test_a_broken_counter_is_shown_as_broken(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """What the key holds is said; the other counters are shown."""
    store.rpush(f"usage:acme:api_calls:{month}", "x")

    done = cli("usage", "acme", "--json")

    assert done.code == 0
    assert done.json["usage"][0]["used"] is None
    assert "list" in done.json["usage"][0]["broken"]
    assert "broken: " in cli("usage", "acme").out


def test_an_unknown_tenant_is_not_found(cli: CommandLine) -> None:
    """Exit code 1 and one sentence, on stderr for people and as JSON for programs."""
    done = cli("usage", "nobody")

    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "meterdeck: context staging has no tenant nobody;"
        " look for it with: meterdeck tenants --filter TEXT\n"
    )
    done = cli("usage", "nobody", "--json")
    assert (done.code, done.err) == (1, "")
    assert done.json["error"]["type"] == "NotFound"
    assert done.json["error"]["message"].startswith("context staging has no tenant")


def test_redis_out_of_reach_is_exit_code_3(cli: CommandLine) -> None:
    """For every command that needs it."""
    for words in (
        ("usage", "acme"),
        ("tenants",),
        ("events",),
        ("audit",),
        ("override", "list"),
        ("consume", "acme", "api_calls=1"),
        ("adjust", "acme", "api_calls", "+1", "--reason", "x"),
        ("undo", "acme", "--reason", "x"),
        ("audit", "--verify"),
    ):
        done = cli(*words, "--context", "away", "--json")

        assert done.code == 3, words
        assert done.json["error"]["type"] == "RedisUnreachable", words


def test_tenants_are_listed_nearest_to_a_limit_first(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """Tenants of the directory and those that only counters tell of."""
    store.set(f"usage:acme:api_calls:{month}", 50_000)
    store.set(f"usage:legacy:api_calls:{month}", 999)

    done = cli("tenants", "--json")

    assert done.code == 0
    assert done.json["total"] == 2
    assert [tenant["id"] for tenant in done.json["tenants"]] == ["legacy", "acme"]
    assert [tenant["usage"][0]["percent"] for tenant in done.json["tenants"]] == [
        99,
        50,
    ]
    names = cli("tenants", "--json", "--sort", "name", "-n", "1").json
    assert [tenant["id"] for tenant in names["tenants"]] == ["acme"]
    assert names["total"] == 2


def test_tenants_are_filtered_by_any_of_their_names(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """Upper and lower case are the same; a table has a head and a count."""
    store.set(f"usage:legacy:api_calls:{month}", 999)

    done = cli("tenants", "--filter", "ACME C")

    head, row = done.out.splitlines()
    assert head.split()[:4] == ["TENANT", "NAME", "PLAN", "STATUS"]
    assert row.split()[:5] == ["acme", "Acme", "Corp", "pro", "active"]
    assert done.err == "1 of 2 tenants\n"


def test_an_unknown_order_is_wrong_use(cli: CommandLine) -> None:
    """The valid ones are named, resources among them."""
    done = cli("tenants", "--sort", "size")

    assert done.code == 2
    assert "no such order" in done.err
    assert "worst" in done.err
    assert "storage_gb" in done.err


def test_tenants_come_from_stripe_where_nobody_has_read_it_yet(
    stripe_cli: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """The first command on a new Redis fills the directory."""
    seller, _ = stripe_server
    price = seller.licensed_price(seller.product(), lookup_key="pro_monthly")
    customer = seller.customer("Globex")
    seller.subscription(customer, price)

    done = stripe_cli("tenants", "--json")

    (tenant,) = done.json["tenants"]
    assert (tenant["id"], tenant["name"]) == (customer, "Globex")
    assert (tenant["plan"], tenant["status"]) == ("pro", "active")
    assert tenant["usage"][0]["limit"] == 100_000
    seller.customer("Initech")
    assert stripe_cli("tenants", "--json").json["total"] == 1
    assert stripe_cli("tenants", "--json", "--refresh").json["total"] == 2


def test_a_read_only_context_lists_tenants_it_may_not_keep(
    stripe_cli: CommandLine, stripe_server: tuple[Seller, str], store: redis.Redis
) -> None:
    """They are shown, and nothing is written."""
    seller, _ = stripe_server
    seller.customer("Globex")

    done = stripe_cli("tenants", "--json", "--read-only")

    assert [tenant["name"] for tenant in done.json["tenants"]] == ["Globex"]
    assert store.dbsize() == 0


def test_foreign_text_cannot_act_on_the_terminal(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """Names and values from outside are shown with nothing invisible in them."""
    store.hset("meterdeck:tenant:acme", "name", HOSTILE)
    store.set(f"usage:{HOSTILE}:api_calls:{month}", 1)
    store.set(f"usage:acme:api_calls:{month}", HOSTILE)

    for words in (("usage", "acme"), ("tenants",), ("usage", HOSTILE + "?")):
        done = cli(*words)

        for printed in (done.out, done.err):
            assert not set(printed) & {"\x1b", "\x07", "\u202e"}, words
        assert "␛" in done.out + done.err


def test_an_empty_log_and_an_empty_trail_are_no_errors(cli: CommandLine) -> None:
    """A note says so; with --json the list is empty."""
    assert cli("events", "--json").json["events"] == []
    assert cli("audit", "--json").json["entries"] == []
    assert cli("override", "list", "--json").json["overrides"] == []
    for words in (("events",), ("audit",), ("override", "list")):
        done = cli(*words)
        assert (done.code, done.out) == (0, "")
        assert done.err


def add_event(store: redis.Redis, identifier: str, **more: str) -> None:
    """Write a line into the delivery log."""
    fields: dict[Any, Any] = {
        "source": "worker",
        "outcome": "accepted",
        "tenant": "acme",
        "resource": "api_calls",
        "event_name": "api_requests",
        "identifier": identifier,
        "customer": "cus_acme",
        "value": "5",
        "timestamp": str(int(time.time())),
        **more,
    }
    store.xadd("meterdeck:events", fields)


def test_events_are_shown_oldest_first(cli: CommandLine, store: redis.Redis) -> None:
    """The newest N of them, in the order in which they were sent."""
    for identifier in ("a", "b", "c"):
        add_event(store, identifier)
    add_event(store, "d", outcome="refused", message="no such meter")

    done = cli("events", "-n", "3", "--json")

    assert [event["identifier"] for event in done.json["events"]] == ["b", "c", "d"]
    assert done.json["events"][2]["outcome"] == "refused"
    assert done.json["events"][2]["message"] == "no such meter"
    assert "no such meter" in cli("events").out


def test_following_prints_a_line_of_json_for_each_new_event(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Of those that are asked for, until it is interrupted, which ends it with 130."""
    add_event(store, "before")
    words = ("events", "--follow", "--json", "--state", "accepted")
    with cli.program(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        add_event(store, "dead", outcome="refused")
        add_event(store, "after")
        second = json.loads(process.stdout.readline())
        process.send_signal(2)
        rest = process.stdout.read()
        complaint = process.stderr.read()

    assert (first["identifier"], second["identifier"]) == ("before", "after")
    assert (process.returncode, rest, complaint) == (130, "", "")


def test_a_reader_that_leaves_ends_the_command_quietly(
    cli: CommandLine, store: redis.Redis
) -> None:
    """As with `| head`: no traceback, no complaint."""
    add_event(store, "before")
    with cli.program("events", "--follow", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        add_event(store, "after")
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (0, "")


def test_contexts_and_settings_are_shown_without_a_server_or_a_secret(
    cli: CommandLine,
) -> None:
    """What is configured can be looked at while everything is down."""
    listed = cli("contexts", "--json").json["contexts"]
    assert [(each["name"], each["mode"]) for each in listed] == [
        ("staging", "test"),
        ("production", "live"),
        ("away", "test"),
    ]
    assert [each["chosen"] for each in listed] == [True, False, False]

    with_sandbox = cli("contexts", "--context", "sandbox", "--json").json["contexts"]
    assert [each["name"] for each in with_sandbox if each["chosen"]] == ["sandbox"]
    assert len(with_sandbox) == 4

    shown = cli("config", "show", "--context", "away", "--read-only", "--json").json
    settings = {each["key"]: each for each in shown["settings"]}
    assert settings["contexts.away.redis.url"]["value"] == "redis://127.0.0.1:1"
    assert settings["contexts.away.redis.url"]["source"] == str(cli.config)
    assert settings["contexts.away.read_only"]["source"] == "--read-only"


def test_why_says_what_each_refusal_was_decided_on(cli: CommandLine, acme: str) -> None:
    """Before, cost, limit and its source, newest first; nothing for who never was."""
    assert "no refusal of acme is known" in cli("why", "acme").err
    cli("consume", "acme", "storage_gb=51", "--call-id", "c-1")

    done = cli("why", "acme", "--json")

    assert (done.code, done.json["tenant"]) == (0, "acme")
    (refusal,) = done.json["refusals"]
    assert refusal["at"] >= refusal.pop("period")["start"]
    del refusal["at"]
    assert refusal == {
        "resource": "storage_gb",
        "scale": 3,
        "reason": "larger_than_limit",
        "before": 0,
        "cost": 51_000,
        "limit": 50_500,
        "limit_source": "plan",
        "call_id": "c-1",
    }
    shown = cli("why", "acme").out
    assert "larger than the whole limit" in shown
    assert "0 used + 51 > 50.5 (plan)" in shown
