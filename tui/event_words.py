"""Meter events in words and signs: their states, their answers, their tenants."""

from __future__ import annotations

from meterdeck.core.errors import BadInput
from meterdeck.core.model.delivery import Answer, EventState
from meterdeck.core.model.event_changes import STATE_WORDS, doing_words
from meterdeck.core.model.events import EventOutcome, EventSource, LoggedEvent
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.quantity import group_quantity, parse_quantity
from meterdeck.core.model.usage import Resource, ResourceName, Tenant
from meterdeck.tui.picture import Picture
from meterdeck.tui.themes import Role

STATES = {
    EventState.QUEUED: ("○", Role.MUTED),
    EventState.IN_FLIGHT: ("→", Role.LOW),
    EventState.ACCEPTED: ("✓", Role.GOOD),
    EventState.CONFIRMED: ("●", Role.GOOD),
    EventState.REFUSED: ("✗", Role.HIGH),
    EventState.DEAD: ("✗", Role.HIGH),
    EventState.CANCELLED: ("–", Role.MUTED),
    EventState.AMBIGUOUS: ("?", Role.NEAR),
}
"""Sign and colour of each state; the word always stands beside them."""

ANSWERS = {
    Answer.ACCEPTED: ("✓", Role.GOOD),
    Answer.DUPLICATE: ("=", Role.GOOD),
    Answer.BUSY: ("…", Role.NEAR),
    Answer.REFUSED: ("✗", Role.HIGH),
    Answer.UNKNOWN: ("?", Role.NEAR),
    Answer.STOPPED: ("✗", Role.HIGH),
}
SOURCES = {
    EventSource.TEST: "test",
    EventSource.WORKER: "sync",
    EventSource.QUEUE: "track",
    EventSource.APPLICATION: "app",
}
_REPEATED = ("=", Role.MUTED)


def sign_of(event: LedgerEvent) -> tuple[str, Role]:
    """Return an event's sign and colour; a repeat that Stripe knew has its own."""
    repeated = event.line.outcome is EventOutcome.DUPLICATE
    if repeated and event.state is EventState.ACCEPTED:
        return _REPEATED
    return STATES[event.state]


def state_words(event: LedgerEvent) -> str:
    """Return an event's state; of a repeat that Stripe knew that it was one."""
    repeated = event.line.outcome is EventOutcome.DUPLICATE
    if repeated and event.state is EventState.ACCEPTED:
        return EventOutcome.DUPLICATE.value
    return STATE_WORDS[event.state]


def said(event: LedgerEvent) -> str:
    """Return what is being done about an event, else what was said of it; "": nothing.

    It is foreign text.
    """
    return doing_words(event) or event.reason


def value_words(line: LoggedEvent) -> str:
    """Write an event's decimal string with its sign and thousands separated."""
    try:
        value = parse_quantity(line.event.value, 9, signed=True)
    except BadInput:
        return line.event.value
    return f"{'+' if value > 0 else ''}{group_quantity(value, 9)}"


def tenant_of(line: LoggedEvent, picture: Picture) -> Tenant:
    """Return an event's tenant; one that the directory does not know by its id."""
    row = picture.fleet.row_of(line.tenant)
    if row is not None:
        return picture.fleet.tenant(row)
    return Tenant(line.tenant, line.tenant, customer=line.event.customer)


def resource_of(line: LoggedEvent, picture: Picture) -> Resource:
    """Return an event's resource; one that is not configured by its name."""
    column = picture.fleet.column_of(line.resource)
    if column >= 0:
        return picture.fleet.resources[column]
    name = line.resource or line.event.event_name
    return Resource(ResourceName(name), name, "", scale=line.scale)
