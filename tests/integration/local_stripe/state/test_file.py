"""The file of an account: whole, private, for one, and refused where it is unusable."""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.local_stripe.state.account import API_KEY, Open, post, rows_of
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.errors import ConfigError
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal


def test_what_belongs_together_is_kept_whole_or_not_at_all(reopened: Open) -> None:
    """Half of what is done at once is nowhere to be found, whatever else is asked."""
    stripe = reopened()
    with stripe.at_once():
        Seller(stripe).customer("Whole")
        stripe.notes["fleet"] = "here"
    with pytest.raises(LocalStripeRefusal), stripe.at_once():
        Seller(stripe).subscription(Seller(stripe).customer("Half"), "price_none")
    Seller(stripe).customer("After")

    after = reopened()
    (found,) = rows_of(after, "/v1/customers")
    assert (found["name"], after.notes["fleet"]) == ("Whole", "here")


async def test_what_cannot_be_kept_is_not_answered(reopened: Open) -> None:
    """A full disk is a 500 that changed nothing anybody was told; once there is room
    all of it is kept."""
    stripe = reopened()
    keeper = stripe._keeper
    assert keeper is not None
    headers = {"Authorization": f"Bearer {API_KEY}"}
    next(keeper._database.all("PRAGMA query_only = ON"), None)

    refused = await post(stripe, "/v1/customers", headers, name="A")
    next(keeper._database.all("PRAGMA query_only = OFF"), None)
    taken = await post(stripe, "/v1/customers", headers, name="B")

    assert (refused.status_code, taken.status_code) == (500, 200)
    names = [each["name"] for each in rows_of(reopened(), "/v1/customers")]
    assert names == ["B", "A"]


def test_the_file_is_private_and_for_one(path: Path, clock: Clock) -> None:
    """Others may not read it, and a second sandbox is told so at once."""
    umask = os.umask(0)
    try:
        stripe = LocalStripe(now=clock, state=path)
        Seller(stripe).customer()
        modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        with pytest.raises(ConfigError, match="in use by another sandbox"):
            LocalStripe(now=clock, state=path)
        stripe.close()
    finally:
        os.umask(umask)

    assert modes == {0o600}


def sql(*statements: str) -> Callable[[Path], None]:
    """Return what changes a file behind our back."""

    def change(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return change


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "no database": lambda path: path.write_bytes(b"not a database at all" * 99),
    "another program's": sql("PRAGMA application_id = 7"),
    "of another format": sql("PRAGMA user_version = 99"),
    "an unknown kind": sql("INSERT INTO rows VALUES ('gizmos', 'x', 1, '{}')"),
    "a strange record": sql("UPDATE rows SET body = '{}' WHERE part = 'customers'"),
    "a strange number": sql("UPDATE usage SET value = 'many'"),
    "usage of no meter": sql("UPDATE usage SET meter = 'mtr_gone'"),
}


@pytest.mark.parametrize("spoil", UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    path: Path, clock: Clock, spoil: Callable[[Path], object]
) -> None:
    """It is named, left as it is, and what to do is said."""
    stripe = LocalStripe(now=clock, state=path)
    seller = Seller(stripe)
    seller.meter()
    seller.event(seller.customer(), "1")
    stripe.close()
    spoil(path)
    before = path.read_bytes()

    with pytest.raises(ConfigError) as caught:
        LocalStripe(now=clock, state=path)

    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("move it away, and the sandbox starts anew")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
