"""`meterdeck reconcile`: differences in words, exit codes, a plan before any change."""

from datetime import UTC, datetime

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller


@pytest.fixture
def billed(
    stripe_cli: CommandLine,
    store: redis.Redis,
    stripe_server: tuple[Seller, str],
) -> CommandLine:
    """Acme was billed 100 calls by three events, of which Stripe has 70."""
    seller, _ = stripe_server
    seller.meter("api_requests")
    customer = seller.customer("Acme")
    seconds, _ = store.time()
    month = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    store.hset("meterdeck:tenant:acme", mapping={"name": "Acme", "customer": customer})
    store.sadd("meterdeck:tenants", "acme")
    store.set(f"usage:acme:api_calls:{month}", 100)
    store.hset(
        f"meterdeck:billing:acme:api_calls:{month}",
        mapping={"seq": "3", "reported": "100", "sent_at": f"{seconds - 3600}000"},
    )
    seller.event(customer, "70", timestamp=seconds)
    return stripe_cli


def test_what_is_missing_in_stripe_is_named_planned_and_sent_again(
    billed: CommandLine, store: redis.Redis
) -> None:
    """Exit code 1; the plan changes nothing; --yes does; a second repair does not."""
    (record,) = store.keys("meterdeck:billing:*")

    found = billed("reconcile", "--json")
    assert found.code == 1
    (row,) = found.json["differences"]
    assert (row["used"], row["reported"], row["stripe"]) == (100, 100, 70)
    assert [(x["cause"], x["units"]) for x in row["causes"]] == [("missing", 30)]

    plan = billed("reconcile", "--repair")
    assert plan.code == 1
    assert "30 go out again" in plan.out
    assert "nothing was changed" in plan.err
    assert store.hget(record, "reported") == b"100"

    done = billed("reconcile", "--repair", "--yes", "--reason", "late errors", "--json")
    assert done.code == 0
    assert [x["done"] for x in done.json["repair"]] == [True]
    assert store.hget(record, "reported") == b"70"
    (entry,) = billed("audit", "acme", "--json").json["entries"]
    assert (entry["action"], entry["reason"]) == ("billing:repair", "late errors")

    again = billed("reconcile", "--repair", "--yes", "--json")
    assert again.code == 0
    assert again.json["repair"] == []
    assert store.hget(record, "reported") == b"70"


def test_what_agrees_ends_with_0_and_is_not_asked_again(
    billed: CommandLine, store: redis.Redis, stripe_server: tuple[Seller, str]
) -> None:
    """Confirmed in the billing record; then it has not changed since.

    Before a worker has compared everything once since Redis began, it is asked again.
    """
    seller, _ = stripe_server
    customer = store.hget("meterdeck:tenant:acme", "customer")
    assert isinstance(customer, bytes)
    seller.event(customer.decode(), "30", timestamp=store.time()[0])

    first = billed("reconcile", "--json")
    store.hset("meterdeck:syncing", "compared_in", str(store.info()["run_id"]))
    second = billed("reconcile", "--json")

    assert (first.code, first.json["agreed"]) == (0, 1)
    assert "Redis began to run since everything was compared" in first.err
    assert (second.code, second.json["unchanged"]) == (0, 1)
    (record,) = store.keys("meterdeck:billing:*")
    assert store.hget(record, "confirmed") == b"100"


def test_a_stripe_that_does_not_answer_ends_with_3(billed: CommandLine) -> None:
    """Nothing is known, which is not that it agrees."""
    done = billed("reconcile", "--stripe-api-base", "http://127.0.0.1:1", "--json")

    assert done.code == 3
    assert done.json["error"]["type"] == "StripeUnreachable"


def test_a_read_only_context_and_a_context_without_stripe_refuse(
    billed: CommandLine,
) -> None:
    """One may not repair, the other has nothing to compare with."""
    read_only = billed("reconcile", "--repair", "--read-only")
    without = billed("reconcile", "--context", "staging")
    alone = billed("reconcile", "--yes")

    assert (read_only.code, without.code, alone.code) == (1, 1, 2)
    assert "read-only" in read_only.err
    assert "no Stripe to compare with" in without.err
