"""Commands that change: adjust, reset, override, consume, fire."""

import os
import pty
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from tests.integration.cli.conftest import METERDECK, CommandLine
from tests.support.stripe_account import Seller

KEY = "usage:acme:api_calls:{}"


@pytest.fixture
def counter(store: redis.Redis, acme: str) -> str:
    """Acme's counter of this month, at 500."""
    seconds, _ = store.time()
    key = KEY.format(f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}")
    store.set(key, 500)
    return key


@pytest.mark.parametrize(
    ("change", "after"),
    [("+1,000", 1500), ("-100", 400), ("=1_000", 1000), ("=7", 7), ("=0", 0)],
)
def test_adjust_changes_the_counter(
    cli: CommandLine,
    store: redis.Redis,
    counter: str,
    change: str,
    after: int,
) -> None:
    """+N adds, -N takes away, =N sets; before and after are told."""
    done = cli("adjust", "acme", "api_calls", change, "--reason", "refund", "--json")

    assert done.code == 0
    assert (done.json["before"], done.json["after"]) == (500, after)
    assert done.json["bill"] == "quota_only"
    assert done.json["dry_run"] is False
    assert store.get(counter) == str(after).encode()


def test_adjust_leaves_who_what_and_why(
    cli: CommandLine, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit trail names the login, the SSH origin, the reason, before and after."""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.5 50000 10.0.0.9 22")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    cli("adjust", "acme", "api_calls", "-5", "--reason", "double count #12")

    (entry,) = cli("audit", "acme", "--json").json["entries"]

    assert entry["origin"] == "ssh 10.0.0.5"
    assert entry["actor"] not in {"", "somebody-else"}
    assert (entry["before"], entry["after"]) == ("500", "495")
    assert entry["reason"] == "double count #12"
    assert (entry["tenant"], entry["resource"]) == ("acme", "api_calls")
    assert "double count #12" in cli("audit").out


def test_a_trail_is_verified(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Sound is 0, an entry that is gone is 1."""
    for change in ("+1", "+2"):
        cli("adjust", "acme", "api_calls", change, "--reason", "x")

    sound = cli("audit", "acme", "--verify", "--json")
    entries: Any = store.xrange("meterdeck:audit:acme")
    store.xdel("meterdeck:audit:acme", entries[0][0])
    broken = cli("audit", "acme", "--verify", "--json")

    assert (sound.code, sound.json["sound"]) == (0, True)
    assert (broken.code, broken.json["sound"]) == (1, False)
    assert broken.json["problem"]


def test_reset_sets_a_counter_to_0(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """The line for people says before and after, and what becomes of the bill."""
    done = cli(
        "reset", "acme", "api_calls", "--reason", "test", "--bill", "quota-and-bill"
    )

    assert done.code == 0
    assert "500 → 0" in done.out
    assert "the bill follows" in done.out
    assert store.get(counter) == b"0"


def test_a_dry_run_changes_nothing(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """It says what would happen, for every command that writes."""
    keys = sorted(store.keys())
    reason = ("--reason", "x", "--dry-run", "--json")

    adjusted = cli("adjust", "acme", "api_calls", "+5", *reason).json
    limited = cli(
        "override", "set", "acme", "api_calls", "unlimited", "--until", "3d", *reason
    ).json
    counted = cli("consume", "acme", "api_calls=5", "--dry-run", "--json").json

    assert (adjusted["before"], adjusted["after"]) == (500, 505)
    assert adjusted["dry_run"] is True
    assert (limited["before"]["limit"], limited["after"]["limit"]) == (100_000, None)
    assert (counted["allowed"], counted["resources"][0]["current"]) == (True, 500)
    assert store.get(counter) == b"500"
    assert sorted(store.keys()) == keys


def test_a_counter_that_moved_is_a_conflict(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """--expect protects against changing what somebody else has changed."""
    done = cli(
        *("adjust", "acme", "api_calls", "=1", "--reason", "x"),
        *("--expect", "499", "--json"),
    )

    assert done.code == 1
    assert done.json["error"]["type"] == "Conflict"
    assert (done.json["error"]["expected"], done.json["error"]["actual"]) == (499, 500)
    assert store.get(counter) == b"500"


def test_an_operation_id_makes_a_repeat_safe(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """What was done is done once, and the repeat says so."""
    words = ("adjust", "acme", "api_calls", "+1", "--reason", "x", "--json")

    first = cli(*words, "--operation-id", "op-1").json
    second = cli(*words, "--operation-id", "op-1").json

    assert (first["replayed"], second["replayed"]) == (False, True)
    assert store.get(counter) == b"501"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("adjust", "acme", "api_calls", "5", "--reason", "x"),
            "'5' is not a change; write +5 to add, -5 to take away, =5 to set",
        ),
        (
            ("adjust", "acme", "api_calls", "+1.5", "--reason", "x"),
            "'1.5' is too fine; this resource takes whole numbers",
        ),
        (
            ("adjust", "acme", "api_calls", "+1"),
            "the following arguments are required: --reason;"
            " see: meterdeck adjust --help",
        ),
        (
            ("override", "set", "acme", "api_calls", "lots", "--reason", "x",
             "--until", "3d"),
            "'lots' is not a quantity; write a number such as 1500, ×1.5, +20% or"
            " unlimited",
        ),
        (
            ("override", "set", "acme", "api_calls", "5", "--reason", "x"),
            "in context staging an override must end; say when, for example --until 3d",
        ),
        (
            ("override", "set", "api_calls", "+5%", "plan:pro", "--filter",
             "--reason", "x", "--until", "3d"),
            "write the filter first: override set --filter EXPR RESOURCE LIMIT",
        ),
        (
            ("override", "set", "acme", "api_calls", "5", "--reason", "x",
             "--until", "whenever"),
            "'whenever' is not a moment; write it like 2026-11-27, 2026-11-27T18:00Z,"
            " 3d, 12h or friday (UTC)",
        ),
        (
            ("consume", "acme", "api_calls"),
            "'api_calls' is not an amount; write it like api_calls=5",
        ),
        (
            ("consume", "acme", "api_calls=0"),
            "'api_calls=0' counts nothing; write a quantity above 0",
        ),
        (
            ("consume", "acme", "api_calls=1", "api_calls=1"),
            "api_calls is given twice; write their sum",
        ),
        (("tenants", "-n", "0"), "-n 0: write a number of 1 or more"),
    ],
)  # fmt: skip
def test_wrong_use_is_exit_code_2(
    cli: CommandLine, counter: str, words: tuple[str, ...], sentence: str
) -> None:
    """One sentence says what is wrong and what would be right."""
    done = cli(*words)

    assert (done.code, done.out, done.err) == (2, "", f"meterdeck: {sentence}\n")


def test_an_unknown_resource_is_not_found(cli: CommandLine, counter: str) -> None:
    """Those there are, are named."""
    done = cli("adjust", "acme", "apicalls", "+1", "--reason", "x")

    assert done.code == 1
    assert "it has: api_calls, storage_gb" in done.err


def test_read_only_refuses_every_change(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """By the flag, whatever the file says; nothing is written."""
    keys = sorted(store.keys())
    for words in (
        ("adjust", "acme", "api_calls", "+1", "--reason", "x"),
        ("reset", "acme", "api_calls", "--reason", "x"),
        ("override", "set", "acme", "api_calls", "1", "--reason", "x", "--until", "1d"),
        ("override", "clear", "acme", "api_calls", "--reason", "x"),
        ("undo", "acme", "--reason", "x"),
        ("consume", "acme", "api_calls=1"),
        ("fire", "acme", "api_calls"),
    ):
        done = cli(*words, "--read-only", "--json")

        assert (done.code, done.json["error"]["type"]) == (1, "ReadOnly"), words
    assert sorted(store.keys()) == keys
    assert store.get(counter) == b"500"


def test_an_override_holds_at_once_and_until_it_ends(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """set, list, use and clear; limits are told with the rule that gives them."""
    words = ("override", "set", "acme", "storage_gb", "60.25", "--until", "3d")
    done = cli(*words, "--reason", "trial", "--json")

    assert done.json["before"] == {"limit": 50_500, "limit_source": "plan"}
    assert done.json["after"] == {"limit": 60_250, "limit_source": "override"}
    ends = datetime.fromisoformat(done.json["expires_at"])
    assert timedelta(days=2, hours=23) < ends - datetime.now(UTC) <= timedelta(days=3)
    (listed,) = cli("override", "list", "acme", "--json").json["overrides"]
    assert (listed["limit"], listed["reason"]) == (60_250, "trial")
    assert "60.25" in cli("override", "list").out
    limit = cli("usage", "acme", "--json").json["usage"][1]
    assert (limit["limit"], limit["limit_source"]) == (60_250, "override")

    cleared = cli(
        "override", "clear", "acme", "storage_gb", "--reason", "over", "--json"
    )

    assert cleared.json["before"]["limit_source"] == "override"
    assert cleared.json["after"] == {"limit": 50_500, "limit_source": "plan"}
    assert cli("override", "list", "--json").json["overrides"] == []
    again = cli("override", "clear", "acme", "storage_gb", "--reason", "over")
    assert again.code == 1


def test_consume_counts_all_or_nothing(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Over any limit nothing is counted, and the command ends with 1."""
    done = cli("consume", "acme", "api_calls=10", "storage_gb=0.5", "--json")

    assert (done.code, done.json["allowed"]) == (0, True)
    assert [each["current"] for each in done.json["resources"]] == [510, 500]
    done = cli("consume", "acme", "api_calls=10", "storage_gb=50.001", "--json")
    assert (done.code, done.json["allowed"]) == (1, False)
    assert [each["refused"] for each in done.json["resources"]] == [False, True]
    assert store.get(counter) == b"510"
    larger, little = (
        cli("consume", "acme", f"storage_gb={amount}").out for amount in (51, 50.1)
    )
    assert "larger than the whole limit" in larger
    assert "too little was left" in little


def test_consume_takes_a_customer_id_too(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """It does not begin a counter under the customer's own name."""
    done = cli("consume", "cus_acme", "api_calls=10", "--json")

    assert done.json["tenant"] == "acme"
    assert store.get(counter) == b"510"


def test_a_call_id_counts_once(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """A script that is run again counts nothing again."""
    words = ("consume", "acme", "api_calls=10", "--call-id", "c-1", "--json")

    assert [cli(*words).json["replayed"] for _ in range(2)] == [False, True]
    assert store.get(counter) == b"510"


def test_live_needs_a_person_or_yes(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Without a terminal and without --yes nothing is changed."""
    words = ("adjust", "acme", "api_calls", "+1", "--reason", "x")
    live = ("--context", "production")

    refused = cli.finished(*words, *live)
    assert (refused.code, store.get(counter)) == (1, b"500")
    assert "nobody can be asked; add --yes" in refused.err
    done = cli(*words, *live, "--yes", "--json")
    assert (done.code, done.json["mode"]) == (0, "live")
    assert store.get(counter) == b"501"


@pytest.mark.parametrize(
    ("typed", "code"), [("production\n", 0), ("yes\n", 1), ("\x04", 1), ("\x03", 130)]
)
def test_live_asks_for_the_name_of_the_context(
    cli: CommandLine, store: redis.Redis, counter: str, typed: str, code: int
) -> None:
    """On a terminal the change is shown first; what is not the name changes nothing.

    Neither does Ctrl-D, nor Ctrl-C, which ends the command without another key.
    """
    words = [METERDECK, "adjust", "acme", "api_calls", "+1", "--reason", "x"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(  # noqa: S606 - the child of a pseudo-terminal
            METERDECK,
            [*words, "--context", "production", "--config", str(cli.config)],
        )
    shown = b""
    while b"type production to do it: " not in shown:
        shown += os.read(terminal, 4096)
    os.write(terminal, typed.encode())
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert "500 → 501 of 100,000" in shown.decode()
    assert os.waitstatus_to_exitcode(status) == code
    assert store.get(counter) == (b"500" if code else b"501")


def test_fire_sends_a_test_event(
    stripe_cli: CommandLine,
    stripe_server: tuple[Seller, str],
    store: redis.Redis,
) -> None:
    """Stripe's answer is told and logged; a new customer is found on the way."""
    seller, _ = stripe_server
    seller.meter("storage_gb")
    customer = seller.customer("Globex")

    words = ("fire", customer, "storage_gb", "1.5", "--json")
    foreseen = stripe_cli(*words, "--dry-run").json
    done = stripe_cli(*words, "--operation-id", "f-1")

    assert (foreseen["event_name"], foreseen["value"]) == ("storage_gb", "1.5")
    assert done.code == 0
    assert done.json["event"]["outcome"] == "accepted"
    assert done.json["event"]["value"] == "1.5"
    again = stripe_cli(*words, "--operation-id", "f-1")
    assert (again.code, again.json["event"]["outcome"]) == (0, "duplicate")
    logged = stripe_cli("events", "--json").json["events"]
    assert [line["outcome"] for line in logged] == ["duplicate"]


def test_fire_that_stripe_refuses_is_exit_code_1(
    stripe_cli: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """There is no such meter: the message is Stripe's."""
    seller, _ = stripe_server
    customer = seller.customer("Globex")

    done = stripe_cli("fire", customer, "api_calls", "5")

    assert done.code == 1
    assert "refused by Stripe" in done.out


def test_stripe_out_of_reach_is_exit_code_3(stripe_cli: CommandLine, acme: str) -> None:
    """Redis answers, Stripe does not."""
    done = stripe_cli(
        "fire", "acme", "api_calls", "--stripe-api-base", "http://127.0.0.1:1", "--json"
    )

    assert done.code == 3
    assert done.json["error"]["type"] == "StripeUnreachable"
