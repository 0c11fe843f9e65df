"""What a second person has to approve, and that a request is read as it was written."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import (
    ChangeRequest,
    ClearLimit,
    Decision,
    EventWish,
    SetLimit,
    TakeBack,
    Verdict,
    Wish,
    write_request,
)
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.request_reading import read_request
from meterdeck.core.model.request_rules import Effect, RequestOptions, needs_approval
from meterdeck.core.model.usage import ResourceName, TenantId

WHO, CALLS = TenantId("東京\udcff"), ResourceName("api_calls")
AT = datetime(2026, 12, 1, tzinfo=UTC)
RULES = RequestOptions(
    above_percent=50, above_units=(("api_calls", 400),), above_money=Decimal("10")
)
CHANGE = Effect(CALLS, 0, 100, 200, 1000)


@pytest.mark.parametrize(
    ("effect", "why"),
    [
        (CHANGE, ""),
        (replace(CHANGE, after=500), ""),
        (replace(CHANGE, after=501), "more than 400"),
        (replace(CHANGE, resource="images", after=600), ""),
        (replace(CHANGE, resource="images", after=601), "more than 50 %"),
        (replace(CHANGE, resource="images", before=700, after=100), "more than 50 %"),
        (replace(CHANGE, resource="images", base=0, after=101), "what is nothing now"),
        (replace(CHANGE, after=None), "from or to unlimited"),
        (replace(CHANGE, before=None), "from or to unlimited"),
        (replace(CHANGE, before=None, after=None), ""),
        (replace(CHANGE, billed=True, money=Decimal("-10")), ""),
        (replace(CHANGE, billed=True, money=Decimal("-10.01")), "worth more than 10"),
        (replace(CHANGE, billed=True), "cannot be told"),
    ],
)
def test_a_change_above_a_threshold_needs_approval(effect: Effect, why: str) -> None:
    """At the threshold nobody is asked; one unit or cent above it somebody is."""
    said = needs_approval(effect, RULES)

    assert why in said
    assert bool(said) is bool(why)


@pytest.mark.parametrize(
    "wish",
    [
        Adjustment(WHO, CALLS, AdjustKind.SET, 5, -3, Bill.QUOTA_AND_BILL, "why"),
        SetLimit(WHO, CALLS, None, AT, "why"),
        ClearLimit(WHO, CALLS, ""),
        TakeBack(WHO, "1-0", "why"),
        BulkOrder(CALLS, ((WHO, None), (TenantId("b"), 3)), None, "why", remove=True),
        EventWish(WHO, EventChange.REPLAY, "e-\udcff", "why"),
        Decision(Verdict.REJECT, "alice", "r-1", "d" * 64, ""),
    ],
)
def test_a_request_is_read_as_it_was_written(wish: Wish) -> None:
    """Names that are not UTF-8 and moments survive."""
    request = ChangeRequest("r-1", wish, AT)

    assert read_request(write_request(request).encode()) == request
