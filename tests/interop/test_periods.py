"""Billing cycles and calendar months: the same periods in every language."""

import json
from datetime import datetime
from pathlib import Path

from tests.support.node import run_node
from tests.support.vectors import VECTORS, read_vectors

from meterdeck.core.model.periods import PeriodKind, current_period
from meterdeck.core.services.current_periods import read_cycle

PERIODS = read_vectors("periods")["periods"]
EXPECTED = [[each["period"], each["start"], each["end"]] for each in PERIODS]


def text(moment: datetime) -> str:
    """Write a moment as the vectors do."""
    return moment.isoformat().replace("+00:00", "Z")


def test_the_library_cuts_periods_as_the_vectors_say() -> None:
    """Clamped ends of months, leap years, anchors to come, and what is no cycle."""
    found = []
    for each in PERIODS:
        fields = [field.encode() or None for field in each["cycle"].split(" ")]
        moment = datetime.fromisoformat(each["at"])
        period = current_period(PeriodKind.BILLING_CYCLE, read_cycle(fields), moment)
        found.append([period.label, text(period.start), text(period.end)])

    assert found == EXPECTED


async def test_the_javascript_client_cuts_them_alike(javascript: Path) -> None:
    """The same periods from Node.js."""
    done = await run_node(
        javascript / "run_periods.mjs", {"PERIODS": str(VECTORS / "periods.json")}
    )

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == EXPECTED
