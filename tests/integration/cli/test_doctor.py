"""`meterdeck doctor`: what people see, what programs get, how it ends."""

import os
import pty
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from tests.integration.cli.conftest import METERDECK, CommandLine
from tests.support.terminal import Terminal

from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.doctor.doctor import CHECKS

MONTH = f"{datetime.now(UTC):%Y-%m}"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: redis.Redis) -> None:
    """Spools of this machine's other programs do not matter; the scripts are there."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))
    for script in script_texts().values():
        store.script_load(script.text)


def test_people_get_a_line_a_check_and_a_sum(cli: CommandLine, acme: str) -> None:
    """A sign and words, not colour; nothing else where nothing is wrong."""
    done = cli("doctor")

    assert (done.code, done.err) == (0, "")
    *lines, blank, last = done.out.splitlines()
    assert [line[0] for line in lines] == ["✓"] * len(lines)
    assert blank == ""
    assert last == f"{len(lines)} of {len(lines)} checks are fine"


def test_what_is_wrong_comes_with_why_and_how_to_mend_it(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Below its line; the exit code says that there is something to mend."""
    store.set(f"usage:acme:api_calls:{MONTH}", "abc", ex=3_024_000)
    done = cli("doctor")

    assert done.code == 1
    lines = done.out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("✗"))
    assert "Values" in lines[at]
    assert "1 of 1 counters hold none" in lines[at]
    assert lines[at + 1].strip().startswith("A counter that holds no whole number")
    assert lines[at + 2].strip().startswith("→ find the program")
    assert lines[-1].endswith("checks are fine; 1 to mend")


def test_warnings_alone_end_well_unless_they_must_not(
    cli: CommandLine, store: redis.Redis
) -> None:
    """A schedule that runs doctor chooses whether it wants to hear of them."""
    store.set(f"usage:acme:api_calls:{MONTH}", "5")
    assert cli("doctor").code == 0
    assert "! Expiry" in cli("doctor").out
    assert cli("doctor", "--strict").code == 1


def test_programs_get_every_check_by_its_name(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Names, result, what was found, why, and how to mend it."""
    store.set(f"usage:acme:api_calls:{MONTH}", "5")
    answer = cli("doctor", "--json").json

    assert (answer["context"], answer["mode"]) == ("staging", "test")
    assert answer["sound"] is True
    by_name = {each["check"]: each for each in answer["checks"]}
    assert list(by_name)[:3] == ["redis", "version", "eviction"]
    assert by_name["eviction"]["result"] == "ok"
    assert by_name["eviction"]["mend"] is None
    expiry = by_name["expiry"]
    assert expiry["result"] == "warning"
    assert "never expire" in expiry["found"]
    assert expiry["why"]
    assert "EXPIRE" in expiry["mend"]


def test_a_redis_out_of_reach_ends_with_three(cli: CommandLine) -> None:
    """As with every command; the rest is said not to have been looked at."""
    done = cli("doctor", "--context", "away", "--json")

    assert done.code == 3
    results = {each["check"]: each["result"] for each in done.json["checks"]}
    assert results["redis"] == "fault"
    assert results["memory"] == "unknown"
    assert results["spool"] == "ok"
    told = cli("doctor", "--context", "away").out
    assert "not looked at: Redis does not answer → mend redis first\n" in told


def test_names_from_outside_do_not_act_on_the_terminal(
    cli: CommandLine, store: redis.Redis
) -> None:
    """A tenant called like an escape sequence is shown, not done."""
    store.set(f"usage:ac\x1b[2Jme:api_calls:{MONTH}", "abc", ex=3_024_000)
    done = cli("doctor")

    assert "ac␛[2Jme" in done.out
    assert "\x1b" not in done.out


def test_a_large_database_is_sampled_and_the_answer_says_so(
    cli: CommandLine, store: redis.Redis
) -> None:
    """100,000 tenants are not all looked at."""
    counters = {f"usage:t{n}:api_calls:{MONTH}": n for n in range(100_000)}
    store.mset(counters)
    by_name = {each["check"]: each for each in cli("doctor", "--json").json["checks"]}

    found = by_name["values"]["found"]
    assert "5,000 counters looked at, a sample of 100,000 keys" in found
    assert "keys looked at, a sample of 100,000" in by_name["layout"]["found"]
    assert "5,000 of 5,000 counters looked at" in by_name["expiry"]["found"]


def test_a_look_that_lasts_says_what_it_is_at(
    cli: CommandLine, valkey_server: Valkey
) -> None:
    """On a terminal, after a second, and wiped away when it is done."""
    command = [METERDECK, "doctor", "--config", str(cli.config)]
    os.kill(valkey_server.pid, signal.SIGSTOP)
    try:
        terminal = Terminal(command)
        terminal.wait_for(lambda shown: "… Redis" in shown)
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)
    with terminal:
        terminal.wait_for(lambda shown: "checks are fine" in shown)
        assert "…" not in terminal.text()


def test_checks_are_made_by_name_and_listed_with_what_they_look_at(
    cli: CommandLine,
) -> None:
    """In their own order; a name that there is not is wrong use."""
    named = cli("doctor", "memory", "redis", "--json").json
    listed = cli("doctor", "--list")
    wrong = cli("doctor", "memroy")

    assert [each["check"] for each in named["checks"]] == ["redis", "memory"]
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        each.name for each in CHECKS
    ]
    assert (wrong.code, "did you mean memory?" in wrong.err) == (2, True)


def test_a_server_that_hangs_takes_its_time_limit_and_no_more(
    cli: CommandLine, valkey_server: Valkey
) -> None:
    """What needs no Redis is still looked at; it ends with 3, as one that is away."""
    os.kill(valkey_server.pid, signal.SIGSTOP)
    try:
        done = cli("doctor", "--timeout", "0.2", "--json")
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)

    assert done.code == 3
    found = {each["check"]: each for each in done.json["checks"]}
    assert found["redis"]["found"] == "no answer within 0.2 s"
    assert (found["memory"]["result"], found["files"]["result"]) == ("unknown", "ok")


def test_a_key_that_cannot_be_used_is_a_finding_and_the_rest_is_looked_at(
    stripe_cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other command says so and ends; doctor goes on."""
    monkeypatch.setenv("STRIPE_KEY", "sk_live_x")
    done = stripe_cli("doctor", "--json")

    found = {each["check"]: each for each in done.json["checks"]}
    assert done.code == 1
    assert found["key"]["result"] == "fault"
    assert "is a live key in a test context" in found["key"]["found"]
    assert found["meters"]["found"] == "not looked at: Stripe's key cannot be used"
    assert found["meters"]["first"] == "key"
    assert found["memory"]["result"] == "ok"


def test_another_secret_or_address_that_is_wrong_is_not_told_of_the_key(
    stripe_cli: CommandLine,
) -> None:
    """Nothing is looked at: the configuration is wrong, as for any command."""
    whole = stripe_cli.config.read_text()
    webhooks = (
        'alerts]\nwebhook_url = "https://example.com/a"\nwebhook_secret',
        "delivery]\nwebhook_port = 8080\nwebhook_secret",
    )
    for webhook in webhooks:
        table = f"\n[contexts.billed.{webhook} = {{ file = 'not-there' }}\n"
        stripe_cli.config.write_text(whole + table)
        done = stripe_cli("doctor")
        assert (done.code, done.out) == (2, "")
        assert "webhook_secret" in done.err
        assert "not-there cannot be read" in done.err
    stripe_cli.config.write_text(whole)
    done = stripe_cli("doctor", "--stripe-api-base", "http://example.com")
    assert (done.code, done.out) == (2, "")
    assert "--stripe-api-base" in done.err


def test_a_stripe_that_does_not_answer_ends_with_three(
    stripe_cli: CommandLine,
) -> None:
    """Redis is looked at all the same."""
    done = stripe_cli(
        "doctor", "stripe", "meters", "memory", "--stripe-api-base",
        "http://127.0.0.1:1", "--json",
    )  # fmt: skip

    results = {each["check"]: each["result"] for each in done.json["checks"]}
    assert done.code == 3
    assert results == {"memory": "ok", "stripe": "fault", "meters": "unknown"}


def test_mending_shows_what_it_would_change_and_changes_it_when_told(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """Without --yes and without a terminal nothing is changed."""
    store.srem("meterdeck:tenants", acme)
    preview = cli("doctor", "index", "--fix", "--strict")
    assert preview.code == 1
    assert "Indexes would be mended by" in preview.out
    assert "  put 1 tenant into the index" in preview.out
    assert "nothing was changed; --yes makes 1 change" in preview.err
    assert not store.sismember("meterdeck:tenants", acme)

    mended = cli("doctor", "index", "--fix", "--yes", "--strict", "--json")
    assert (mended.code, mended.json["sound"]) == (0, True)
    assert mended.json["fixes"] == [
        {
            "check": "index",
            "changes": ["put 1 tenant into the index"],
            "made": 1,
            "problem": None,
            "result": "ok",
        }
    ]
    assert store.sismember("meterdeck:tenants", acme)


@pytest.mark.parametrize("answer", ["stagin\r", "\r", "\x04"])
def test_nothing_is_changed_unless_the_name_is_typed(
    cli: CommandLine,
    store: redis.Redis,
    acme: str,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A terminal where another word, nothing, or the end of input is typed."""
    store.srem("meterdeck:tenants", acme)
    keyboard, slave = pty.openpty()
    try:
        os.write(keyboard, answer.encode())
        with os.fdopen(slave) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            done = cli("doctor", "index", "--fix")
    finally:
        os.close(keyboard)
    assert "type staging to make 1 change: " in done.err
    assert "that is not the context's name; nothing was changed" in done.err
    assert done.code == 1
    assert not store.sismember("meterdeck:tenants", acme)


def test_what_was_not_shown_is_not_changed(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """What comes between the preview and the name is left for the next look.

    The preview is on the terminal also where the answer is one for programs.
    """
    store.srem("meterdeck:tenants", acme)
    command = [METERDECK, "doctor", "index", "--fix", "--json"]
    with Terminal([*command, "--config", str(cli.config)]) as terminal:
        shown = terminal.wait_for("type staging to make 1 change:")
        assert "  put 1 tenant into the index" in shown
        store.hset("meterdeck:tenant:late", "name", "Late")
        terminal.send("staging\r")
        assert terminal.wait_end() == 0
    assert store.sismember("meterdeck:tenants", acme)
    assert not store.sismember("meterdeck:tenants", "late")


def test_mending_is_refused_where_nothing_may_be_changed(
    cli: CommandLine, store: redis.Redis
) -> None:
    """Before anything is looked at; --yes alone means nothing."""
    store.script_flush()
    refused = cli("doctor", "scripts", "--fix", "--yes", "--read-only")
    assert (refused.code, "read-only" in refused.err, refused.out) == (1, True, "")
    assert cli("doctor", "--yes").code == 2
