"""`GET /v1/billing/meters/{id}/event_summaries`: all that can be read back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from meterdeck.core.local_stripe.ids import unique_part
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import cursors_of, limit_of, list_object
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Meter
from meterdeck.core.local_stripe.refusals import invalid, no_such
from meterdeck.core.local_stripe.schema import PAGE, TIME, Section, Text
from meterdeck.core.local_stripe.totals import MINUTE_S, WINDOW_S, Totals
from meterdeck.core.local_stripe.wire import Json
from meterdeck.core.local_stripe.world import World

# Stripe's answers name the list by this placeholder, whatever the meter; an SDK that
# pages by itself then asks for it literally, so the placeholder is a route too.
PLACEHOLDER = "/v1/billing/meters/:id/event_summaries"
_ID_PREFIX = "mtrusg_test_60"
_SCHEMA = Section(
    {
        "customer": Text(),
        "end_time": TIME,
        "start_time": TIME,
        "value_grouping_window": Text(choices=("day", "hour")),
        **PAGE,
    },
    required=("customer", "end_time", "start_time"),
)


@dataclass(frozen=True, slots=True)
class _Query:
    meter: Meter
    customer: str
    start: int
    end: int
    window: str | None

    def bucket_id(self, start: int, end: int) -> str:
        """Derive the id: the same bucket has the same one, whenever it is asked."""
        name = f"{self.meter.id}|{self.customer}|{start}|{end}"
        # As long as the recorded ones.
        digest = hashlib.shake_256(name.encode()).hexdigest(84)
        return f"{_ID_PREFIX}{unique_part(self.meter.id)}{digest}"

    def buckets(self, totals: Totals) -> list[tuple[int, int]]:
        """Give `(start, end)` of the buckets with usage, newest first."""
        if self.window is None:
            return [(self.start, self.end)]
        step = WINDOW_S[self.window]
        starts = totals.occupied(step, self.start, self.end)
        return [(start, start + step) for start in starts]


def list_(world: World, call: Call) -> Json:
    """List a customer's usage in buckets; those without usage are missing."""
    query = _query(world.meters.get(call.id), world, call.parameters)
    totals = world.usage.totals(query.meter, query.customer, world.now())
    buckets = [] if totals is None else query.buckets(totals)
    page, has_more = _page(buckets, query, call.parameters)
    data: list[Json] = []
    for start, end in page:
        value = None if totals is None else totals.aggregate(start, end)
        if value is None:
            continue
        data.append(
            {
                "id": query.bucket_id(start, end),
                "object": "billing.meter_event_summary",
                "aggregated_value": float(value),
                "end_time": end,
                "livemode": False,
                "meter": query.meter.id,
                "start_time": start,
            }
        )
    return list_object(data, has_more=has_more, url=PLACEHOLDER)


def list_by_placeholder(world: World, call: Call) -> Json:
    """Follow an SDK that pages by the answer's own url: the cursor tells the meter."""
    after, before = cursors_of(call.parameters)
    cursor = after or before or ""
    start = len(_ID_PREFIX)
    for meter in world.meters:
        part = unique_part(meter.id)
        if cursor[start : start + len(part)] == part:
            return list_(world, Call(call.parameters, (meter.id,), call.caller))
    raise no_such(world.meters.noun, ":id")


def _query(meter: Meter, world: World, parameters: Parameters) -> _Query:
    start = parameters.required_integer("start_time")
    end = parameters.required_integer("end_time")
    window = parameters.text("value_grouping_window")
    if end <= start:
        raise invalid("end_time must be after start_time.", "end_time")
    step, name = (WINDOW_S[window], window) if window else (MINUTE_S, "minute")
    for key, moment in (("start_time", start), ("end_time", end)):
        if moment % step:
            raise invalid(f"{key} must be aligned with {name} boundaries.", key)
    customer = world.customers.get(parameters.required_text("customer"), "customer")
    return _Query(meter, customer.id, start, end, window)


def _page(
    buckets: list[tuple[int, int]], query: _Query, parameters: Parameters
) -> tuple[list[tuple[int, int]], bool]:
    after, before = cursors_of(parameters)
    limit = limit_of(parameters)
    if before is not None:
        newer = buckets[: _place(buckets, query, before, "ending_before")]
        return newer[-limit:], len(newer) > limit
    first = 0
    if after is not None:
        first = _place(buckets, query, after, "starting_after") + 1
    rest = buckets[first:]
    return rest[:limit], len(rest) > limit


def _place(
    buckets: list[tuple[int, int]], query: _Query, cursor: str, param: str
) -> int:
    for place, (start, end) in enumerate(buckets):
        if query.bucket_id(start, end) == cursor:
            return place
    raise no_such("billing meter event summary", cursor, param)


OPERATIONS = (
    Operation("GET", PLACEHOLDER, list_by_placeholder, _SCHEMA),
    Operation("GET", "/v1/billing/meters/{}/event_summaries", list_, _SCHEMA),
)
