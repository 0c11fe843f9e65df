"""An account in a file, opened again as after a kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.local_stripe.state.account import NOON, Open
from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe import LocalStripe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the account is kept."""
    return tmp_path / "stripe.sqlite3"


@pytest.fixture
def clock() -> Clock:
    """The account's clock."""
    return Clock(NOON)


@pytest.fixture
def reopened(path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the account, as after a kill: what was open before is only let go of."""
    opened: list[LocalStripe] = []

    def open_it(lag_s: float = 0.0) -> LocalStripe:
        if opened:
            let_go(opened[-1])
        opened.append(LocalStripe(now=clock, seed=7, state=path, summary_lag_s=lag_s))
        return opened[-1]

    yield open_it
    let_go(opened[-1])


def let_go(stripe: LocalStripe) -> None:
    """Close the file without writing anything, as the end of a process does."""
    keeper = stripe._keeper
    if keeper is not None:
        keeper._database.close()
        stripe._keeper = None
