"""The header says what is not yet at Stripe, and only then."""

from dataclasses import replace
from datetime import timedelta

from tests.support.well import WORKER
from tests.tui.pictures import NOW, update
from tests.tui.support import fleet_update, operating

from meterdeck.core.model.health import Sending

LATE = Sending((replace(WORKER, unsent=1204, oldest_s=400.0),))
GONE = Sending((), NOW - timedelta(minutes=118), 40)


async def test_late_usage_and_a_missing_worker_stand_in_the_header() -> None:
    """Nothing while all is on its way; how much and since when where it is not."""
    well = Sending((replace(WORKER, unsent=12, oldest_s=50.0),))
    async with operating(replace(fleet_update(), sending=well)) as operator:
        assert "unsent" not in operator.text()

        await operator.push(update(sending=LATE))
        assert "1,204 counters unsent for up to 6 min" in operator.lines()[1]

        queued = Sending((replace(WORKER, oldest_s=400.0),))
        await operator.push(update(sending=queued))
        assert "unsent for 6 min" in operator.lines()[1]

        await operator.push(update(sending=GONE))
        assert "no worker since 12:04: 40 tenants unsent" in operator.lines()[1]

        await operator.push(update(sending=Sending()))
        assert "no worker" in operator.lines()[1]
