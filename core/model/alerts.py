"""Alerts: how one fires once, is seen to by somebody, and is over.

Everything here is pure. What happens to a tenant's alerts is a list of changes, each of
which names the version that it was decided on; whoever keeps them lets one change of a
version happen, so that of two workers one fires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.alert_rules import AlertRule, Measure, Reading, Severity
from meterdeck.core.model.usage import TenantId

LONGEST_SNOOZE = timedelta(days=30)
LONGEST_NOTE = 500


class AlertState(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


class Why(StrEnum):
    """Why an alert is resolved."""

    CLEARED = "cleared"
    """What it is about is within the threshold again."""
    LOUDER = "louder"
    """A louder threshold of the same rule holds."""
    LIMIT_CHANGED = "limit_changed"
    """It holds of another limit now, and has fired anew."""
    PERIOD_OVER = "period_over"
    NOT_ASKED = "not_asked"
    """The rule is gone, or is not for this tenant any more."""


class Telling(StrEnum):
    """What is told of an alert, as the payload's `type`."""

    FIRED = "alert.fired"
    REMINDED = "alert.reminded"
    """A snooze is over, and it still holds."""
    RESOLVED = "alert.resolved"
    TEST = "alert.test"


@dataclass(frozen=True, slots=True)
class Slot:
    """What fires once: a rule's threshold, of one tenant's resource and period."""

    rule: str
    threshold: int
    tenant: TenantId
    resource: str
    period: str

    @property
    def field(self) -> str:
        """Name it among a tenant's alerts; no part can hold a colon."""
        return f"{self.rule}:{self.threshold}:{self.resource}:{self.period}"


@dataclass(frozen=True, slots=True)
class Handled:
    """Who saw to an alert, and from where; `until` of a snooze."""

    by: str
    origin: str
    at: datetime
    note: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A slot that has fired, or may not fire any more.

    Attributes:
        id: Of this firing.
        version: Rises with every change.
        number: How often the slot has fired; 0 where only a louder one did.
        armed: It fires when it holds; else it has fired, and is only open again.
        value: What it held when it fired, in the measure's unit.
        limit: Which it was judged by last.
        why: It is over; of one that is open again in silence, why it was before.
        handled: The acknowledgement or snooze that counts; None for none.
    """

    slot: Slot
    id: str
    version: int
    number: int
    measure: Measure
    severity: Severity
    state: AlertState
    armed: bool
    opened_at: datetime
    changed_at: datetime
    tenant_name: str = ""
    plan: str = ""
    value: int | None = None
    used: int | None = None
    limit: int | None = None
    period_end_ms: int | None = None
    why: Why | None = None
    handled: Handled | None = None

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return self.state is not AlertState.RESOLVED

    def state_at(self, now: datetime) -> AlertState:
        """Return its state; a snooze ends by itself."""
        until = self.handled.until if self.handled else None
        over = self.state is AlertState.SNOOZED and until is not None and until <= now
        return AlertState.OPEN if over else self.state


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a slot; `telling` is to be delivered, if any.

    Attributes:
        ended: The firing that this one takes the place of, as it is resolved; to be
            told of first. None where nobody was told that it began.
    """

    before: Alert | None
    after: Alert
    telling: Telling | None = None
    ended: Alert | None = None


def judge(
    alerts: Mapping[str, Alert], readings: Sequence[Reading], now: datetime
) -> list[Change]:
    """Return what readings change of a tenant's alerts, by the slots' fields.

    A slot fires at most once until its limit changes; of a rule's thresholds that hold
    the loudest does, and the others count as fired.
    """
    return [
        change
        for reading in readings
        if reading.known
        for change in _of_reading(alerts, reading, now)
    ]


def closing(
    alerts: Iterable[Alert],
    readings: Sequence[Reading],
    rules: Sequence[AlertRule],
    now: datetime,
) -> Iterator[Change]:
    """Yield the end of alerts that nothing asks for any more.

    Args:
        readings: All that can be read of the tenant's use now.
    """
    asked = {(each.rule.name, each.resource, each.period) for each in readings}
    resources = {(each.rule.name, each.resource) for each in readings}
    known = {(rule.name, threshold) for rule in rules for threshold in rule.thresholds}
    for alert in alerts:
        slot = alert.slot
        if not alert.live:
            continue
        if (slot.rule, slot.threshold) not in known:
            yield _resolved(alert, Why.NOT_ASKED, now)
        elif not alert.measure.of_usage:
            continue
        elif (slot.rule, slot.resource, slot.period) not in asked:
            later = (slot.rule, slot.resource) in resources
            yield _resolved(alert, Why.PERIOD_OVER if later else Why.NOT_ASKED, now)


def _of_reading(
    alerts: Mapping[str, Alert], reading: Reading, now: datetime
) -> Iterator[Change]:
    rule = reading.rule
    slots = [_slot(reading, threshold) for threshold in rule.thresholds]
    held = [slot for slot in slots if _is_held(alerts.get(slot.field), slot, reading)]
    for slot in slots:
        before = alerts.get(slot.field)
        if held and slot == held[-1]:
            change = _when_it_holds(before, slot, reading, now)
        else:
            louder = slot in held
            change = _when_not(before, slot, reading, now, louder=louder)
        if change is not None:
            yield change


def _slot(reading: Reading, threshold: int) -> Slot:
    return Slot(
        reading.rule.name, threshold, reading.tenant, reading.resource, reading.period
    )


def _is_held(before: Alert | None, slot: Slot, reading: Reading) -> bool:
    """Tell whether a slot holds: what is open stays so within a margin."""
    rule, value = reading.rule, reading.value
    if rule.holds(slot.threshold, value):
        return True
    open_already = before is not None and before.live and not _rearmed(before, reading)
    return open_already and not rule.is_clear(slot.threshold, value)


def _rearmed(before: Alert, reading: Reading) -> bool:
    return before.measure.of_limit and before.limit != reading.limit


def _when_it_holds(
    before: Alert | None, slot: Slot, reading: Reading, now: datetime
) -> Change | None:
    if before is None or before.armed or _rearmed(before, reading):
        after = _fired(before, slot, reading, now)
        return Change(before, after, Telling.FIRED, _ended(before, now))
    if not before.live:
        seen = before.handled is not None and before.handled.until is None
        state = AlertState.ACKNOWLEDGED if seen else AlertState.OPEN
        return Change(before, _moved(before, now, state=state))
    if before.state is AlertState.SNOOZED and before.state_at(now) is AlertState.OPEN:
        after = _moved(before, now, state=AlertState.OPEN, handled=None)
        return Change(before, after, Telling.REMINDED)
    return None


def _ended(before: Alert | None, now: datetime) -> Alert | None:
    if before is None or not before.live:
        return None
    change = _resolved(before, Why.LIMIT_CHANGED, now)
    return change.after if change.telling is Telling.RESOLVED else None


def _when_not(
    before: Alert | None,
    slot: Slot,
    reading: Reading,
    now: datetime,
    *,
    louder: bool,
) -> Change | None:
    """Resolve what is open; note that a limit arms again, or a louder one fired."""
    if before is None:
        return Change(None, _passed_over(slot, reading, now)) if louder else None
    rearmed = _rearmed(before, reading)
    if before.live:
        change = _resolved(before, Why.LOUDER if louder else Why.CLEARED, now)
        armed = change.after.armed or rearmed
        after = replace(change.after, armed=armed and not louder, limit=reading.limit)
        return replace(change, after=after)
    if louder and before.armed:
        return Change(before, _moved(before, now, armed=False, limit=reading.limit))
    if rearmed:
        return Change(
            before, _moved(before, now, armed=not louder, limit=reading.limit)
        )
    return None


def _fired(before: Alert | None, slot: Slot, reading: Reading, now: datetime) -> Alert:
    number = (before.number if before else 0) + 1
    return Alert(
        slot=slot,
        id=alert_id(slot, number, now),
        version=(before.version if before else 0) + 1,
        number=number,
        measure=reading.rule.measure,
        severity=reading.rule.severity,
        state=AlertState.OPEN,
        armed=False,
        opened_at=now,
        changed_at=now,
        tenant_name=reading.tenant_name,
        plan=reading.plan,
        value=reading.value,
        used=reading.used,
        limit=reading.limit,
        period_end_ms=reading.period_end_ms,
    )


def _passed_over(slot: Slot, reading: Reading, now: datetime) -> Alert:
    fired = _fired(None, slot, reading, now)
    return replace(fired, number=0, state=AlertState.RESOLVED, why=Why.LOUDER)


def _resolved(alert: Alert, why: Why, now: datetime) -> Change:
    after = _moved(
        alert, now, state=AlertState.RESOLVED, why=why, armed=alert.measure.by_episode
    )
    # Of one that never fired nobody was told; that one is over is told once.
    unsaid = alert.number and alert.why in (None, Why.LOUDER)
    told = Telling.RESOLVED if unsaid and why is not Why.LOUDER else None
    return Change(alert, after, told)


def _moved(alert: Alert, now: datetime, **changes: object) -> Alert:
    # mypy cannot see through the names; every one is a field of Alert.
    return replace(alert, version=alert.version + 1, changed_at=now, **changes)  # type: ignore[arg-type]


def alert_id(slot: Slot, number: int, at: datetime) -> str:
    """Return the id of a firing: what a receiver tells repeats by."""
    parts = (slot.field, slot.tenant, str(number), at.isoformat())
    whole = "\n".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()
    return f"al_{digest[:24]}"


def acknowledged(alert: Alert, handled: Handled) -> Alert:
    """Return the alert with somebody who has seen it.

    Raises:
        Refused: It is over, or somebody else has acknowledged it.
        BadInput: The note is too long.
    """
    _check_handled(alert, handled)
    if alert.state is AlertState.ACKNOWLEDGED and alert.handled is not None:
        raise Refused(f"{alert.id} was acknowledged before by {alert.handled.by}")
    return _moved(alert, handled.at, state=AlertState.ACKNOWLEDGED, handled=handled)


def snoozed(alert: Alert, handled: Handled) -> Alert:
    """Return the alert that is quiet until then.

    Raises:
        Refused: It is over.
        BadInput: The snooze ends in the past, or in more than 30 days.
    """
    _check_handled(alert, handled)
    if handled.until is None or handled.until <= handled.at:
        raise BadInput("a snooze ends later than now; say until when")
    if handled.until - handled.at > LONGEST_SNOOZE:
        raise BadInput("a snooze lasts 30 days at most; acknowledge it instead")
    return _moved(alert, handled.at, state=AlertState.SNOOZED, handled=handled)


def _check_handled(alert: Alert, handled: Handled) -> None:
    if not alert.live:
        raise Refused(f"{alert.id} is resolved; there is nothing to see to")
    if len(handled.note) > LONGEST_NOTE:
        raise BadInput(
            f"the note has {len(handled.note)} characters;"
            f" at most {LONGEST_NOTE} are kept"
        )
