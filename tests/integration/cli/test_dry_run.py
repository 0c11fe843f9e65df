"""`--dry-run`: it ends as the change would, and changes nothing."""

from datetime import UTC, datetime

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller

LIVE = """
[contexts.production.stripe]
api_key = { env = "LIVE_KEY" }
"""


@pytest.fixture
def counter(store: redis.Redis, acme: str) -> str:
    """Acme's counter of this month, at 500."""
    seconds, _ = store.time()
    key = f"usage:acme:api_calls:{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    store.set(key, 500)
    return key


def test_a_dry_run_foresees_a_refusal(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Below 0, over a limit, past 2^53, or another value than expected; no Stripe."""
    for words in (
        ("adjust", "acme", "api_calls", "-501", "--reason", "x"),
        ("adjust", "acme", "api_calls", "=1", "--reason", "x", "--expect", "3"),
        ("override", "clear", "acme", "api_calls", "--reason", "x"),
        ("consume", "acme", "api_calls=99501"),
        ("adjust", "acme", "api_calls", "+9_007_199_254_740_992", "--reason", "x"),
        ("fire", "acme", "api_calls"),
    ):
        assert cli(*words, "--dry-run").code == 1, words
        assert cli(*words).code == 1, words
    assert store.get(counter) == b"500"


def test_a_dry_run_foresees_wrong_use(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """A change that says no reason, an id that is none, a limit beyond the largest."""
    store.hset("meterdeck:tenant:acme", "limit:api_calls", str(2**40))
    setting = ("override", "set", "acme", "api_calls")
    until = ("--until", "3d", "--reason", "x")
    for words in (
        ("adjust", "acme", "api_calls", "+5", "--reason", ""),
        ("reset", "acme", "api_calls", "--reason", "x", "--operation-id", "a b"),
        (*setting, "5", "--until", "3d", "--reason", " "),
        (*setting, "x999999", *until),
        ("override", "clear", "acme", "api_calls", "--reason", ""),
        ("consume", "acme", "api_calls=1", "--call-id", "a b"),
        ("cancel", "md1-acme-1", "--reason", ""),
    ):
        assert cli(*words, "--dry-run").code == 2, words
        assert cli(*words).code == 2, words


def test_a_dry_run_lets_pass_what_the_limits_rule_does(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """A soft limit that a call goes beyond; the answer says so as the real one does."""
    text = cli.config.read_text()
    soft = 'meter = "api_requests"\nenforcement = "soft"'
    cli.config.write_text(text.replace('meter = "api_requests"', soft))
    words = ("consume", "acme", "api_calls=99501")

    dry = cli(*words, "--dry-run", "--json")
    assert store.get(counter) == b"500"
    done = cli(*words, "--json")

    assert (dry.code, done.code) == (0, 0)
    for each in (dry, done):
        (resource,) = each.json["resources"]
        assert (each.json["allowed"], resource["beyond"]) == (True, "over")


def test_a_dry_run_of_fire_is_refused_where_fire_is(
    stripe_cli: CommandLine,
    stripe_server: tuple[Seller, str],
    acme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a live context, without a meter, and with --count past the limit."""
    seller, _ = stripe_server
    customer = seller.customer("Globex")
    text = stripe_cli.config.read_text()
    text = text.replace('meter = "storage_gb"\n', "")
    stripe_cli.config.write_text(text + LIVE)
    monkeypatch.setenv("LIVE_KEY", "sk_live_none")

    for words, said in (
        (("fire", acme, "api_calls", "--context", "production"), "is live"),
        (("fire", customer, "storage_gb", "1"), "has no meter in Stripe"),
        (("fire", customer, "api_calls", "1001", "--count"), "has reached its limit"),
    ):
        for done in (stripe_cli(*words, "--dry-run"), stripe_cli(*words)):
            assert done.code == 1
            assert said in done.err
