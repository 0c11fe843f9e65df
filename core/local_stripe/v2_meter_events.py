"""`/v2/billing`: single events, adjustments, sessions, and the event stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from meterdeck.core.local_stripe import adjustments
from meterdeck.core.local_stripe.ingest import (
    MeterEvent,
    count,
    examine,
    examine_at_once,
    tell,
    time_for,
)
from meterdeck.core.local_stripe.meter_event_problems import Problem
from meterdeck.core.local_stripe.meter_events import PAYLOAD, tell_refusal
from meterdeck.core.local_stripe.operations import Call, Caller, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.schema import Kind, ListOf, Section, Text
from meterdeck.core.local_stripe.wire import Json, Raw, rfc3339
from meterdeck.core.local_stripe.world import World

SESSION_LASTS = timedelta(minutes=15)
MOST_EVENTS = 100
_SESSIONS_KEPT = 1_000
_FIELDS: dict[str, Kind] = {
    "event_name": Text(100),
    "identifier": Text(100),
    "payload": PAYLOAD,
    "timestamp": Text(),
}
_EVENT = Section(_FIELDS, required=("event_name", "payload"))
_STREAM = Section({"events": ListOf(_EVENT, MOST_EVENTS)}, required=("events",))
_ADJUSTMENT = Section(
    {
        "cancel": Section({"identifier": Text(100)}, required=("identifier",)),
        "event_name": Text(100),
        "type": Text(choices=("cancel",)),
    },
    required=("cancel", "event_name", "type"),
)


def create(world: World, call: Call) -> Json:
    """Accept an event after the same rules as v1, told in v2's words."""
    now = world.now()
    event = _event(world, call.parameters, now)
    outcome = examine_at_once(world, event, now)
    if isinstance(outcome, Problem):
        raise outcome.v2()
    count(world, event, outcome, now, call.caller)
    return {
        "object": "v2.billing.meter_event",
        "created": rfc3339(now),
        "event_name": event.event_name,
        "identifier": event.identifier,
        "livemode": False,
        "payload": dict(event.payload),
        "timestamp": rfc3339(event.timestamp),
    }


def adjust(world: World, call: Call) -> Json:
    """Cancel one event."""
    sent = call.parameters
    section = sent.section("cancel") or Parameters({}, "cancel")
    identifier = section.required_text("identifier")
    event_name = sent.required_text("event_name")
    adjustments.cancel(world, event_name, identifier)
    return {
        "id": world.ids.v2("mtradj"),
        "object": "v2.billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "created": rfc3339(world.now()),
        "event_name": event_name,
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }


def open_session(world: World, call: Call) -> Json:
    """Give a token for the stream, good for 15 minutes."""
    now = world.now()
    token = world.ids.token()
    world.sessions[token] = now + SESSION_LASTS
    while len(world.sessions) > _SESSIONS_KEPT:
        del world.sessions[next(iter(world.sessions))]
    return {
        "id": world.ids.v2("mesess"),
        "object": "v2.billing.meter_event_session",
        "authentication_token": token,
        "created": rfc3339(now),
        "expires_at": rfc3339(now + SESSION_LASTS),
        "livemode": False,
    }


def stream(world: World, call: Call) -> Json:
    """Take up to 100 events; what is wrong with one is only reported later."""
    now = world.now()
    for section in call.parameters.sections("events"):
        event = _event(world, section, now)
        outcome = examine(world, event, now)
        if isinstance(outcome, Problem):
            _report(world, event, outcome, now, call.caller)
        else:
            count(world, event, outcome, now, call.caller)
    return {}


def check_session(world: World, token: str) -> None:
    """Refuse a token that is unknown or older than 15 minutes."""
    expires = world.sessions.get(token)
    if expires is None or expires <= world.now():
        raise LocalStripeRefusal(
            "The temporary session token has expired.",
            status=401,
            kind="temporary_session_expired",
            code="billing_meter_event_session_expired",
        )


def _event(world: World, sent: Parameters, now: datetime) -> MeterEvent:
    name, payload = sent.required_text("event_name"), sent.texts("payload")
    default = time_for(world, name, payload, now)
    return MeterEvent(
        event_name=name,
        identifier=sent.text("identifier") or world.ids.identifier(),
        payload=payload,
        timestamp=_moment(sent.text("timestamp"), default),
    )


def _moment(text: str | None, default: datetime) -> datetime:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad_time(text) from error
    if moment.tzinfo is None:
        raise _bad_time(text)
    return moment.astimezone(UTC)


def _bad_time(text: str) -> LocalStripeRefusal:
    return LocalStripeRefusal(
        f"The timestamp must be an RFC 3339 date and time. Received {text}.",
        code="invalid_timestamp",
        param="timestamp",
    )


def _report(
    world: World, event: MeterEvent, problem: Problem, now: datetime, caller: Caller
) -> None:
    if problem.late_code:
        world.reports.record(
            now,
            world.meter_of_event.get(event.event_name),
            problem.late_code,
            problem.reported_text,
            caller.idempotency_key or event.identifier,
        )
    tell(world, event, now, caller, problem.reported_text)


def _tell_stream_refusal(
    world: World, raw: Mapping[str, Raw], caller: Caller, refusal: LocalStripeRefusal
) -> None:
    events = raw.get("events")
    for each in events if isinstance(events, list) else ():
        if isinstance(each, dict):
            tell_refusal(world, each, caller, refusal)


_URL = "/v2/billing"
OPERATIONS = (
    Operation("POST", f"{_URL}/meter_events", create, _EVENT, tell_refusal),
    Operation("POST", f"{_URL}/meter_event_adjustments", adjust, _ADJUSTMENT),
    Operation("POST", f"{_URL}/meter_event_session", open_session),
    Operation(
        "POST",
        f"{_URL}/meter_event_stream",
        stream,
        _STREAM,
        _tell_stream_refusal,
        by_session=True,
    ),
)
