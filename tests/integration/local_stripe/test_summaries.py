"""Event summaries: windows, formulas, lag, paging, cancellation."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal

HOUR = 3_600
DAY = 86_400


def _summaries(
    local: LocalStripe, meter: str, customer: str, start: int, end: int, **more: object
) -> list[tuple[int, int, object]]:
    answer = local.call(
        "GET",
        f"/v1/billing/meters/{meter}/event_summaries",
        {"customer": customer, "start_time": start, "end_time": end, **more},
    )
    data = answer["data"]
    assert isinstance(data, list)
    return [
        (each["start_time"], each["end_time"], each["aggregated_value"])
        for each in data
    ]


def _send(seller: Seller, customer: str, events: Iterable[tuple[int, str]]) -> None:
    for timestamp, value in events:
        seller.event(customer, value, timestamp=timestamp)


async def test_the_range_takes_its_start_and_not_its_end(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """An event in the first second counts, one in the end's second does not."""
    meter, customer = seller.meter(), seller.customer()
    start, end = clock.seconds - HOUR, clock.seconds
    events = [(start - 1, "100"), (start, "1"), (end - 1, "10"), (end, "1000")]
    _send(seller, customer, events)

    assert [(start, end, 11.0)] == _summaries(local, meter, customer, start, end)


def test_hours_without_usage_are_missing_and_the_newest_is_first(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Hour buckets cover only the hours that have events."""
    meter, customer = seller.meter(), seller.customer()
    at = clock.seconds
    _send(seller, customer, [(at - 5 * HOUR, "1"), (at - 5 * HOUR + 60, "2")])
    _send(seller, customer, [(at - 2 * HOUR + 59, "4")])

    found = _summaries(
        local,
        meter,
        customer,
        at - 12 * HOUR,
        at,
        value_grouping_window="hour",
    )

    assert [
        (at - 2 * HOUR, at - HOUR, 4.0),
        (at - 5 * HOUR, at - 4 * HOUR, 3.0),
    ] == found


def test_days_are_utc_days(local: LocalStripe, seller: Seller, clock: Clock) -> None:
    """Day buckets begin at UTC midnight."""
    meter, customer = seller.meter(), seller.customer()
    midnight = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp())
    _send(seller, customer, [(midnight - 1, "1"), (midnight, "2")])

    found = _summaries(
        local,
        meter,
        customer,
        midnight - 7 * DAY,
        midnight + DAY,
        value_grouping_window="day",
    )

    assert [
        (midnight, midnight + DAY, 2.0),
        (midnight - DAY, midnight, 1.0),
    ] == found


@pytest.mark.parametrize(
    ("formula", "expected"), [("sum", 8.5), ("count", 3.0), ("last", 4.0)]
)
def test_each_formula_aggregates_its_way(
    local: LocalStripe, seller: Seller, clock: Clock, formula: str, expected: float
) -> None:
    """Sum adds, count counts, last takes the newest by event time."""
    meter, customer = seller.meter(formula=formula), seller.customer()
    at = clock.seconds - HOUR
    _send(seller, customer, [(at, "1.5"), (at + 120, "4"), (at + 60, "3")])

    [(_, _, value)] = _summaries(local, meter, customer, at, at + HOUR)

    assert expected == value


def test_pre_aggregated_values_count_once_an_hour(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """With event_time_window only the last received value of a window counts."""
    meter = seller.meter(event_time_window="hour")
    customer = seller.customer()
    at = clock.seconds - 2 * HOUR
    _send(seller, customer, [(at + 90, "5"), (at, "7"), (at + HOUR, "100")])

    found = _summaries(local, meter, customer, at, at + 2 * HOUR)

    assert [(at, at + 2 * HOUR, 107.0)] == found


def test_decimals_add_up_exactly(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Ten times 0.1 is 1."""
    meter, customer = seller.meter(), seller.customer()
    _send(seller, customer, [(clock.seconds, "0.1")] * 10)

    found = _summaries(local, meter, customer, clock.seconds, clock.seconds + 60)

    assert [value for _, _, value in found] == [1.0]


def test_no_usage_is_an_empty_list(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """Another customer's usage is not one's own."""
    meter, customer, other = seller.meter(), seller.customer(), seller.customer()
    _send(seller, other, [(clock.seconds, "1")])

    found = _summaries(local, meter, customer, clock.seconds, clock.seconds + 60)

    assert found == []


def test_summaries_lag_behind_the_events(clock: Clock) -> None:
    """An event shows the lag after it was received, and so does its cancellation."""
    local = LocalStripe(now=clock, summary_lag_s=30)
    seller = Seller(local)
    meter, customer = seller.meter(), seller.customer()
    start = clock.seconds
    seller.event(customer, "3", identifier="slow")

    def value() -> list[object]:
        found = _summaries(local, meter, customer, start, start + 60)
        return [each for _, _, each in found]

    assert value() == []
    clock.move(seconds=30)
    assert value() == [3.0]
    _cancel(local, "slow")
    assert value() == [3.0]
    clock.move(seconds=30)
    assert value() == []


async def test_pages_follow_the_cursor_and_the_placeholder(
    client: stripe.StripeClient, local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """The SDK's own paging walks all buckets through the literal `:id` url."""
    other, meter = seller.meter("other"), seller.meter()
    customer = seller.customer()
    at = clock.seconds
    events = [(at - hours * HOUR, str(hours)) for hours in range(1, 26)]
    _send(seller, customer, events)

    page = await client.v1.billing.meters.event_summaries.list_async(
        meter,
        {
            "customer": customer,
            "start_time": at - 48 * HOUR,
            "end_time": at,
            "value_grouping_window": "hour",
        },
    )
    values = [each.aggregated_value async for each in page.auto_paging_iter()]
    back = await client.v1.billing.meters.event_summaries.list_async(
        meter,
        {
            "customer": customer,
            "start_time": at - 48 * HOUR,
            "end_time": at,
            "value_grouping_window": "hour",
            "limit": 3,
            "ending_before": page.data[5].id,
        },
    )

    assert page.url == "/v1/billing/meters/:id/event_summaries"
    assert (len(page.data), page.has_more) == (10, True)
    assert [float(hours) for hours in range(1, 26)] == values
    assert [each.aggregated_value for each in back.data] == [3.0, 4.0, 5.0]
    assert other != page.data[0].meter == meter


_REFUSED: list[tuple[dict[str, object], str]] = [
    ({"start_time": 1_773_144_001}, "start_time must be aligned with minute"),
    (
        {"value_grouping_window": "hour", "end_time": 1_773_144_060},
        "end_time must be aligned with hour boundaries.",
    ),
    (
        {"value_grouping_window": "day"},
        "start_time must be aligned with day boundaries.",
    ),
    ({"end_time": 1_773_144_000}, "end_time must be after start_time."),
    ({"customer": "cus_x"}, "No such customer: 'cus_x'"),
    ({"customer": None}, "Missing required param: customer."),
    ({"start_time": None}, "Missing required param: start_time."),
    ({"value_grouping_window": "week"}, "Invalid value_grouping_window: must be one"),
    ({"starting_after": "mtrusg_x"}, "No such billing meter event summary: 'mtrusg_x'"),
]


@pytest.mark.parametrize(("change", "text"), _REFUSED)
def test_a_refused_question_says_why(
    local: LocalStripe, seller: Seller, change: dict[str, object], text: str
) -> None:
    """Misaligned, reversed, incomplete ranges and unknown customers are 400."""
    meter, customer = seller.meter(), seller.customer()
    question = {
        "customer": customer,
        "start_time": 1_773_144_000,
        "end_time": 1_773_147_600,
        **change,
    }

    with pytest.raises(LocalStripeRefusal) as refused:
        local.call("GET", f"/v1/billing/meters/{meter}/event_summaries", question)

    assert refused.value.message.startswith(text)
    assert refused.value.status == 400


async def test_a_cancelled_event_leaves_the_total(
    client: stripe.StripeClient, local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """The adjustment is answered as pending, and its identifier stays used."""
    meter, customer = seller.meter(), seller.customer()
    seller.event(customer, "3", identifier="keep")
    seller.event(customer, "4", identifier="wrong")

    adjustment = await client.v1.billing.meter_event_adjustments.create_async(
        {
            "event_name": "api_requests",
            "type": "cancel",
            "cancel": {"identifier": "wrong"},
        }
    )

    assert adjustment.to_dict() == {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": "wrong"},
        "event_name": "api_requests",
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }
    found = _summaries(local, meter, customer, clock.seconds, clock.seconds + 60)
    assert [value for _, _, value in found] == [3.0]
    with pytest.raises(LocalStripeRefusal, match="already exists with identifier"):
        seller.event(customer, "4", identifier="wrong")


def test_an_event_is_cancelled_once_and_within_a_day(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """A second time, another meter, an unknown or an old identifier: 400."""
    seller.meter()
    seller.meter("other")
    customer = seller.customer()
    seller.event(customer, "1", identifier="twice")
    seller.event(customer, "1", identifier="old")
    _cancel(local, "twice")

    with pytest.raises(LocalStripeRefusal, match="already cancelled"):
        _cancel(local, "twice")
    with pytest.raises(LocalStripeRefusal, match="No event with identifier never"):
        _cancel(local, "never")
    with pytest.raises(LocalStripeRefusal, match="was received for other"):
        _cancel(local, "old", event_name="other")
    clock.move(hours=24)
    with pytest.raises(LocalStripeRefusal, match="within the past 24 hours"):
        _cancel(local, "old")


def test_cancelling_the_last_value_brings_back_the_one_before(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """On a `last` meter the value before counts again."""
    meter, customer = seller.meter(formula="last"), seller.customer()
    seller.event(customer, "3", identifier="first")
    seller.event(customer, "9", identifier="second")

    _cancel(local, "second")

    found = _summaries(local, meter, customer, clock.seconds, clock.seconds + 60)
    assert [value for _, _, value in found] == [3.0]


def test_usage_that_no_request_brought_is_counted_like_any_other(
    local: LocalStripe, seller: Seller, clock: Clock
) -> None:
    """A sandbox's past is in the summaries at once, and events are added to it, in
    whichever order; who has no such customer or meter cannot have it."""
    meter, customer = seller.meter(), seller.customer()
    later = seller.customer()
    seller.event(later, "2", identifier="one")
    for each in (customer, customer, later):
        local.add_usage("api_requests", each, Decimal("1.5"), clock.at)
    seller.event(customer, "4", identifier="two")

    start, end = clock.seconds // 60 * 60, clock.seconds // 60 * 60 + 60
    for each, total in ((customer, 7.0), (later, 3.5)):
        found = _summaries(local, meter, each, start, end)
        assert [value for _, _, value in found] == [total]
    with pytest.raises(LocalStripeRefusal, match="No such"):
        local.add_usage("api_requests", "cus_nobody", Decimal(1), clock.at)
    with pytest.raises(LocalStripeRefusal, match="No such"):
        local.add_usage("nothing", customer, Decimal(1), clock.at)


def _cancel(
    local: LocalStripe, identifier: str, event_name: str = "api_requests"
) -> None:
    local.call(
        "POST",
        "/v1/billing/meter_event_adjustments",
        {
            "event_name": event_name,
            "type": "cancel",
            "cancel": {"identifier": identifier},
        },
    )
