"""Gathers what a shift hands over, and puts it together with the fleet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.alert_sight import AlertSight
from meterdeck.core.model.alert_words import headline, resource_of
from meterdeck.core.model.alerts import Alert, AlertState
from meterdeck.core.model.audit import AuditQuery
from meterdeck.core.model.changes import Actor, AuditEntry
from meterdeck.core.model.context import Context
from meterdeck.core.model.drift import LastPass
from meterdeck.core.model.handoff import (
    ENDS_SOON,
    AlertNote,
    EndingOverride,
    Handoff,
    Part,
    Unsent,
)
from meterdeck.core.model.handoff_words import MOST_LINES
from meterdeck.core.model.health_items import Item, expected_of
from meterdeck.core.model.health_verdicts import items
from meterdeck.core.model.ledger import NEEDING, LedgerEvent
from meterdeck.core.model.override_ends import FoundOverride, by_end
from meterdeck.core.model.windows import Window
from meterdeck.core.services.at_risk import at_risk
from meterdeck.core.services.close_guard import CloseGuard, Closing
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.override_ends import OverrideEnds

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine
    from meterdeck.core.services.health import Seen

MOST_CHANGES = 200
_COUNTED = (Part.RISK, Part.OVERRIDES)
"""Told from counters: what the end of an override means depends on them, too."""


@dataclass(slots=True)
class Gathered:
    """What was read from the servers; `unread` says what could not be, and why."""

    at: datetime
    since: datetime
    overrides: tuple[FoundOverride, ...] = ()
    letters: tuple[tuple[LedgerEvent, tuple[Window, ...]], ...] = ()
    closing: tuple[Closing, ...] = ()
    queued: int = 0
    changes: tuple[AuditEntry, ...] = ()
    more_changes: bool = False
    alerts: AlertSight | None = None
    last_pass: LastPass | None = None
    health: tuple[Item, ...] = ()
    unread: dict[Part, str] = field(default_factory=dict)


async def gather(engine: Engine, since: datetime, seen: Seen | None = None) -> Gathered:
    """Read everything but the fleet; changes nothing.

    What cannot be read is told of in its part: the others are worth having.

    Args:
        since: When the shift began.
        seen: What whoever watches knows of Stripe and of this machine already.

    Raises:
        RedisUnreachable, RedisRefused: Not even the time could be read.
    """
    found = Gathered(await engine.now(), since)
    reads: dict[Part, Callable[[], Awaitable[None]]] = {
        Part.ALERTS: lambda: _read_alerts(engine, found),
        Part.OVERRIDES: lambda: _read_overrides(engine, found),
        Part.LETTERS: lambda: _read_letters(engine, found),
        Part.CLOSING: lambda: _read_closing(engine, found),
        Part.CHANGES: lambda: _read_changes(engine, found),
        Part.HEALTH: lambda: _read_health(engine, found, seen),
    }
    for part, read in reads.items():
        try:
            await read()
        except MeterdeckError as error:
            found.unread[part] = str(error)
    return found


async def _read_alerts(engine: Engine, found: Gathered) -> None:
    found.alerts = await engine.alerts.look()


async def _read_overrides(engine: Engine, found: Gathered) -> None:
    found.overrides = await engine.changes.overrides_found()


async def _read_letters(engine: Engine, found: Gathered) -> None:
    letters = await engine.ledger.letters()
    found.letters = tuple(each for each in letters if each[0].state in NEEDING)


async def _read_closing(engine: Engine, found: Gathered) -> None:
    if engine.context.stripe is None:
        return
    guard = CloseGuard(engine.context, engine.records)
    tenants = await engine.directory.everybody()
    found.closing = tuple(await guard.in_order(tenants, found.at))
    found.queued = await engine.health.queued()


async def _read_changes(engine: Engine, found: Gathered) -> None:
    page = await engine.changes.audit_page(
        AuditQuery(limit=MOST_CHANGES, since=found.since)
    )
    found.changes, found.more_changes = page.entries, page.next is not None


async def _read_health(engine: Engine, found: Gathered, seen: Seen | None) -> None:
    health = await engine.health.look(seen)
    found.health = items(health, expected_of(engine.context))
    if health.waiting is not None:
        found.last_pass = health.waiting.last_pass
    else:
        found.unread[Part.DRIFT] = health.redis.problem or "Redis does not say"


def handoff_of(
    gathered: Gathered, fleet: Fleet, context: Context, by: Actor, *, unread: str = ""
) -> Handoff:
    """Put together what was gathered and the fleet; belongs to the fleet's thread.

    Args:
        unread: Why the fleet has no counters, or old ones: parts that are told from
            them say so; "" where it has those of now.
    """
    not_read = dict.fromkeys(_COUNTED, unread) if unread else {}
    risks, more = at_risk(fleet, MOST_LINES) if not unread else ((), 0)
    totals = fleet.totals()
    return Handoff(
        context=context.name,
        mode=context.mode,
        at=gathered.at,
        since=gathered.since,
        by=by,
        tenants=totals.tenants,
        at_limit=totals.at_limit,
        over90=totals.over90,
        billed=context.stripe is not None,
        risks=risks,
        more_risks=more,
        alerts=_alerts(gathered.alerts, context),
        alert_rules=gathered.alerts.rules if gathered.alerts else 0,
        alerts_watched=bool(gathered.alerts and gathered.alerts.watched),
        last_pass=gathered.last_pass,
        overrides=_ending(gathered, fleet, context) if not unread else (),
        broken_overrides=sum(not each.in_force for each in gathered.overrides),
        letters=gathered.letters,
        closing=tuple(map(_unsent, gathered.closing)),
        queued=gathered.queued,
        closing_h=context.delivery.close_guard_h,
        changes=gathered.changes,
        more_changes=gathered.more_changes,
        scales={each.name: each.scale for each in fleet.resources},
        health=gathered.health,
        unread={**not_read, **gathered.unread},
    )


def _alerts(sight: AlertSight | None, context: Context) -> tuple[AlertNote, ...]:
    if sight is None:
        return ()
    return tuple(_alert(each.alert, sight.at, context) for each in sight.alerts)


def _alert(alert: Alert, now: datetime, context: Context) -> AlertNote:
    state, handled = alert.state_at(now), alert.handled
    by = f" by {handled.by}" if handled and state is not AlertState.OPEN else ""
    return AlertNote(
        since=alert.opened_at,
        severity=alert.severity.value,
        words=headline(alert, resource_of(context, alert)),
        rule=alert.slot.rule,
        state=f"{state.value}{by}",
        open=state is AlertState.OPEN,
    )


def _ending(
    gathered: Gathered, fleet: Fleet, context: Context
) -> tuple[EndingOverride, ...]:
    ends, soon = OverrideEnds(context, fleet), gathered.at + ENDS_SOON
    found: list[EndingOverride] = []
    for each in sorted(gathered.overrides, key=by_end):
        ending = ends.ending(each)
        at = each.expires_at
        if each.in_force and ending is not None and at is not None and at <= soon:
            found.append(EndingOverride(each, ending))
    return tuple(found)


def _unsent(closing: Closing) -> Unsent:
    return Unsent(
        closing.tenant,
        closing.resource,
        closing.counter.period,
        closing.ends,
        closing.finalises,
        closing.unsent,
        closing.record.parked,
    )
