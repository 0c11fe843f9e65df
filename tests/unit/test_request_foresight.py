"""What a console says of a change before it is asked for, by the counters it shows."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.tui.pictures import NOW, believable, context, first_picture

from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.changes import (
    AdjustKind,
    Adjustment,
    AuditEntry,
    Bill,
    Undone,
)
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.request_foresight import Foresight
from meterdeck.core.model.request_rules import Changes, RequestOptions
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.bulk import BulkOverride, BulkProgress
from meterdeck.tui.foresight import foresight
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import (
    Adjust,
    ChangeEvent,
    ClearOverride,
    FireEvent,
    Request,
    SetOverride,
    Target,
    Undo,
)

RULES = RequestOptions(above_money=Decimal(50))
TENANT = next(each for each in believable() if each.id == "northwind_traders")
"""It used 104,000 calls of 100,000."""
CALLS = context().resource("api_calls")
TARGET = Target(TENANT, CALLS)
HALF = "it changes more than 50 % of what there is to use"


def asking() -> Picture:
    """Return a console's picture where changes are asked for, and somebody serves."""
    where = replace(context(), changes=Changes.REQUEST, requests=RULES)
    picture = Picture(where)
    picture.apply(first_picture(believable()))
    picture.requests_served = True
    return picture


def add(units: int, bill: Bill = Bill.QUOTA_ONLY) -> Adjust:
    """Return a change of the counter."""
    kind = AdjustKind.ADD if units > 0 else AdjustKind.SUBTRACT
    wish = Adjustment(TENANT.id, CALLS.name, kind, abs(units), None, bill, "why")
    return Adjust(TARGET, wish)


def limit(units: int | None) -> SetOverride:
    """Return another limit."""
    return SetOverride(TARGET, units, None, "why", "")


def many(count: int) -> BulkOverride:
    """Return the limit that they have, for so many tenants nobody knows."""
    names = tuple((TenantId(f"t{number}"), 5) for number in range(count))
    order = BulkOrder(CALLS.name, names, None, "why")
    return BulkOverride(order, "calls", BulkProgress(count))


def removal(claimed: int) -> BulkOverride:
    """Return the end of an override of 120,000 where the plan has 100,000."""
    held = ((TenantId("blue_harbor_logistics"), claimed),)
    order = BulkOrder(CALLS.name, held, None, "why", remove=True)
    return BulkOverride(order, "calls", BulkProgress(1))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (add(5), ""),
        (add(-50_000), ""),
        (add(-50_001), HALF),
        (limit(150_000), ""),
        (limit(150_001), HALF),
        (limit(None), "it is from or to unlimited"),
        (ClearOverride(TARGET, "why", ""), ""),
        (many(10), ""),
        (many(11), "it is about more than 10 tenants"),
        (removal(100_000), ""),
        (removal(0), ""),
        (ChangeEvent(TARGET, EventChange.REPLAY, "e", "why"), HALF),
    ],
)
def test_why_somebody_has_to_approve_is_known_beforehand(
    request_: Request, why: str
) -> None:
    """By the same rules as the worker's, at the same thresholds."""
    found = foresight(request_, asking(), units=60_000)

    assert found == Foresight(why, served=True)


def test_what_is_on_the_bill_may_have_to_be_approved_for_what_it_is_worth() -> None:
    """Which only the worker can reckon, also of an undo."""
    entry = AuditEntry(
        "1-0", NOW, "ana", "", "adjust add", TENANT.id, CALLS.name, "2026-11", "0", "7",
        "why", Bill.QUOTA_AND_BILL, "op", "", "",
    )  # fmt: skip
    undone = Undone(entry, "adjust", "7", "0", "", replayed=False)
    billed = foresight(add(5, Bill.QUOTA_AND_BILL), asking())
    undo = foresight(Undo(TARGET, "1-0", "", "why"), asking(), undone=undone)

    assert billed == undo == Foresight(money=Decimal(50), served=True)
    assert "worth more than 50, a second person has to approve it" in str(billed)


def test_what_is_not_asked_for_has_no_foresight() -> None:
    """A change that is made directly, a test event, what Stripe is asked for first."""
    direct = Picture(context())
    cancel = ChangeEvent(TARGET, EventChange.CANCEL, "e", "why")

    assert foresight(add(5), direct) is None
    assert foresight(FireEvent(TARGET, 1, count=False), asking()) is None
    assert foresight(cancel, asking(), units=5) is None
