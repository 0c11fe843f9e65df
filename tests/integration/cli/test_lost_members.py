"""Distinct members that Redis has forgotten: counted again, and taken off the bill."""

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller

MEMBERS = """
[resources.active_users]
kind = "unique"
meter = "active_users"
"""


@pytest.fixture
def billed(stripe_cli: CommandLine, stripe_server: tuple[Seller, str]) -> CommandLine:
    """Acme is a customer, and there is a meter of its active users."""
    stripe_cli.config.write_text(stripe_cli.config.read_text() + MEMBERS)
    seller, _ = stripe_server
    seller.meter("active_users")
    acme = {"name": "Acme", "metadata": {"tenant": "acme"}}
    seller.local.call("POST", "/v1/customers", acme)
    return stripe_cli


def test_who_comes_back_is_billed_again_until_the_surplus_is_taken_off(
    billed: CommandLine, store: redis.Redis
) -> None:
    """Reconciling finds nothing, as counter and Stripe agree; an adjustment mends both.

    As the pages on a lost Redis say.
    """
    people = "ann", "bob", "cid", "dee", "eve"

    def count() -> None:
        assert billed("unique", "add", "acme", "active_users", *people).code == 0
        assert billed("sync", "--once").code == 0

    count()
    store.flushdb()
    count()
    repair = "--repair", "--foreign", "ours", "--yes", "--reason", "Redis was lost"
    billed("reconcile", "--all", *repair)
    twice = used(billed), billed("reconcile", "--all").code

    mend = "--bill", "quota-and-bill", "--reason", "counted again"
    done = billed("adjust", "acme", "active_users", "=5", *mend)
    sent = billed("sync", "--once", "--json")
    compared = billed("reconcile", "--all", "--json")

    assert twice == (10, 0)
    assert (done.code, sent.json["delivered"]) == (0, 1)
    assert (compared.code, compared.json["agreed"]) == (0, 1)
    assert used(billed) == 5


def used(cli: CommandLine) -> object:
    """Return how many members the counter has."""
    rows = cli("usage", "acme", "--json").json["usage"]
    return next(row["used"] for row in rows if row["resource"] == "active_users")
