"""The zygote of workers, the size of the runs, and the table of what they showed."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.support import doomed_worker
from tests.support.stripe_side import StripeSide, running_stripe
from tests.support.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """What all workers are forked from."""
    log = tmp_path_factory.mktemp("zygote") / "complaints"
    with Zygote(doomed_worker.__name__, log=log) as running:
        yield running


@pytest.fixture
async def stripe() -> AsyncIterator[StripeSide]:
    """A running local Stripe with a small price list."""
    async with running_stripe() as side:
        yield side
