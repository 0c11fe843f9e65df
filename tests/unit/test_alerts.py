"""Alerts: one fires once, whoever looks how often, and is not lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.alert_delivery import (
    AlertDelivery,
    DeliveryState,
    delivered,
    failed,
    pause_after,
    taken,
)
from meterdeck.core.model.alert_rules import AlertRule, Measure, Reading
from meterdeck.core.model.alert_sight import SeenAlert, alert_filter
from meterdeck.core.model.alerts import (
    Alert,
    AlertState,
    Change,
    Handled,
    Telling,
    Why,
    acknowledged,
    closing,
    judge,
    snoozed,
)
from meterdeck.core.model.spans import parse_span, show_span
from meterdeck.core.model.usage import TenantId

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
RULE = AlertRule("near", Measure.PERCENT, (80, 100))
SOON = AlertRule("soon", Measure.TIME_TO_LIMIT, (7200,))
LAG = AlertRule("lag", Measure.LAG, (300,))
ANNA = Handled("anna", "tty1", NOON, "seen")


class Book:
    """A tenant's alerts, as whoever keeps them would have them."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.told: list[tuple[Telling, int, str]] = []
        self.ended: list[str] = []
        self.now = NOON

    def read(
        self,
        value: int | None,
        *,
        rule: AlertRule = RULE,
        limit: int | None = 1000,
        period: str = "2026-11",
    ) -> list[Change]:
        """Hold a value against a rule, a minute later, and keep what changes."""
        self.now += timedelta(minutes=1)
        reading = Reading(
            rule, TenantId("acme"), "Acme", "pro", "api_calls", period, None, value,
            limit=limit,
        )  # fmt: skip
        found = judge(self.alerts, [reading], self.now)
        found += closing(self.alerts.values(), [reading], [rule], self.now)
        self.keep(found)
        return found

    def keep(self, changes: list[Change]) -> None:
        """Keep changes; none may be decided on an older version."""
        for each in changes:
            slot = each.after.slot
            assert self.alerts.get(slot.field) == each.before
            self.alerts[slot.field] = each.after
            if each.ended:
                assert each.ended.why is Why.LIMIT_CHANGED
                self.ended.append(each.ended.id)
            if each.telling:
                self.told.append((each.telling, slot.threshold, slot.period))

    @property
    def fired(self) -> list[int]:
        """Thresholds that fired, in order."""
        return [at for telling, at, _ in self.told if telling is Telling.FIRED]

    @property
    def live(self) -> list[Alert]:
        """What is not over."""
        return [each for each in self.alerts.values() if each.live]


def test_a_threshold_fires_once_and_the_loudest_that_holds_does() -> None:
    """From 70 % to 99 % the first one; beyond 100 % the second, and never again."""
    book = Book()

    for percent in (70, 80, 85, 99, 100, 130):
        book.read(percent)

    assert book.fired == [80, 100]
    assert [(each.slot.threshold, each.state) for each in book.live] == [
        (100, AlertState.OPEN)
    ]


def test_a_jump_over_both_thresholds_is_one_alert() -> None:
    """The quieter one counts as fired, and opens without a word where it is left."""
    book = Book()

    book.read(120)
    assert book.fired == [100]
    book.read(85)  # somebody took units back

    assert book.fired == [100]
    assert [each.slot.threshold for each in book.live] == [80]
    assert book.told[-1][0] is Telling.RESOLVED


def test_an_open_alert_that_fires_anew_for_another_limit_is_told_to_be_over() -> None:
    """A receiver that opened an incident for the first one closes that, and no other;
    of one that opened again in silence it was told before."""
    book = Book()

    book.read(90)
    (first,) = book.live
    book.read(85, limit=2000)
    (second,) = book.live

    assert book.ended == [first.id] != [second.id]
    assert book.fired == [80, 80]

    book.read(60, limit=2000)
    book.read(85, limit=2000)
    book.read(85, limit=3000)
    assert book.ended == [first.id]


def test_an_alert_is_over_only_with_a_margin_and_opens_again_in_silence() -> None:
    """79 % after 80 % is no end; 70 % is, and 80 % again is no second firing."""
    book = Book()

    book.read(80)
    assert book.read(79) == []
    book.read(70)
    (over,) = book.alerts.values()
    assert (over.state, over.why) == (AlertState.RESOLVED, Why.CLEARED)
    book.read(81)

    assert [each.state for each in book.live] == [AlertState.OPEN]
    book.read(70)
    assert [told for told, _, _ in book.told] == [Telling.FIRED, Telling.RESOLVED]


def test_another_limit_and_another_period_arm_it_again() -> None:
    """Also where the new limit was met in between without an alert."""
    book = Book()

    book.read(90)
    book.read(45, limit=2000)
    assert book.live == []
    book.read(85, limit=2000)
    book.read(85, limit=2000)
    assert book.fired == [80, 80]

    book.read(85, limit=2000, period="2026-12")
    assert book.fired == [80, 80, 80]
    assert [each.slot.period for each in book.live] == ["2026-12"]
    assert [each.why for each in book.alerts.values()] == [Why.PERIOD_OVER, None]


def test_a_pace_that_wavers_is_one_alert_and_an_unknown_one_changes_nothing() -> None:
    """A time to the limit ends half as long again beyond its threshold."""
    book = Book()

    for seconds in (7000, 7300, 10_000, 7100):
        book.read(seconds, rule=SOON)
    assert len(book.fired) == 1
    assert len(book.live) == 1
    reading = Reading(
        SOON, TenantId("acme"), "", "", "api_calls", "2026-11", None, None, known=False
    )
    assert judge(book.alerts, [reading], book.now) == []

    book.read(None, rule=SOON)
    assert book.live == []


def test_a_lag_fires_again_after_it_was_over() -> None:
    """It has no period: each time that delivery falls behind is one of its own."""
    book = Book()

    for seconds in (10, 400, 200, 400, 100, 500):
        book.read(seconds, rule=LAG, limit=None, period="now")

    assert len(book.fired) == 2
    assert len({each.id for each in book.alerts.values()}) == 1


def test_a_rule_that_is_gone_ends_its_alerts() -> None:
    """Nobody is left with an alert that nothing can resolve."""
    book = Book()
    book.read(90)

    book.keep(list(closing(book.alerts.values(), [], [], book.now)))

    assert [each.why for each in book.alerts.values()] == [Why.NOT_ASKED]


def test_who_acknowledged_is_kept_and_a_snooze_ends_with_one_reminder() -> None:
    """An alert that comes back to who has seen it is not new to them."""
    book = Book()
    book.read(90)
    (alert,) = book.live
    seen = acknowledged(alert, ANNA)
    assert (seen.state, seen.handled) == (AlertState.ACKNOWLEDGED, ANNA)
    with pytest.raises(Refused, match="acknowledged before by anna"):
        acknowledged(seen, replace(ANNA, by="ben"))

    until = book.now + timedelta(minutes=3)
    quiet = snoozed(seen, replace(ANNA, at=book.now, until=until))
    opened = alert_filter("state:open", lambda: book.now)
    assert not opened(SeenAlert(quiet))
    book.alerts[alert.slot.field] = quiet
    assert book.read(95) == []
    assert quiet.state_at(until) is AlertState.OPEN
    book.now = until
    assert opened(SeenAlert(quiet)), "also by a filter that was typed before"
    book.read(95)
    book.read(95)

    assert [told for told, _, _ in book.told] == [Telling.FIRED, Telling.REMINDED]
    assert book.live[0].handled is None


def test_what_is_resolved_or_too_long_is_refused() -> None:
    """With a sentence that names the alert."""
    book = Book()
    book.read(90)
    (alert,) = book.live
    with pytest.raises(BadInput, match="30 days at most"):
        snoozed(alert, replace(ANNA, until=NOON + timedelta(days=31)))
    with pytest.raises(BadInput, match="later than now"):
        snoozed(alert, ANNA)
    book.read(10)
    with pytest.raises(Refused, match=rf"{alert.id} is resolved"):
        acknowledged(book.alerts[alert.slot.field], ANNA)


limits = st.sampled_from([500, 1000, None])
steps = st.lists(
    st.tuples(
        st.integers(0, 130),
        limits,
        st.sampled_from(["2026-11", "2026-12"]),
        st.sampled_from(["", "acknowledge", "snooze"]),
    ),
    max_size=30,
)


@given(steps)
def test_nothing_fires_twice_a_period_without_another_limit(
    taken_steps: list[tuple[int, int | None, str, str]],
) -> None:
    """Whatever is read, seen and snoozed in between; and what holds is never unsaid."""
    book = Book()
    limits_seen: dict[str, list[int | None]] = {}
    for percent, limit, period, hand in taken_steps:
        book.read(None if limit is None else percent, limit=limit, period=period)
        known = limits_seen.setdefault(period, [])
        if not known or known[-1] != limit:
            known.append(limit)
        for alert in book.live:
            at = Handled("anna", "", book.now, until=book.now + timedelta(minutes=2))
            if hand == "snooze":
                book.alerts[alert.slot.field] = snoozed(alert, at)
            elif hand and alert.state is not AlertState.ACKNOWLEDGED:
                seen = acknowledged(alert, replace(at, until=None))
                book.alerts[alert.slot.field] = seen
        holds = limit is not None and percent >= 80
        of_now = [each for each in book.live if each.slot.period == period]
        assert len(of_now) <= 1
        assert of_now or not holds

    for period, known in limits_seen.items():
        for threshold in RULE.thresholds:
            fired = [
                each for each in book.told if each == (Telling.FIRED, threshold, period)
            ]
            assert len(fired) <= len(known)


@given(st.lists(st.booleans(), max_size=60))
def test_a_delivery_is_tried_until_it_is_taken_or_a_day_is_over(
    answers: list[bool],
) -> None:
    """A dead worker's attempt counts as none; the pauses grow; the end is told."""
    at = NOON
    delivery = AlertDelivery("d", "a", Telling.FIRED, "{}", NOON, NOON)
    for answered in answers:
        if not delivery.waits:
            break
        at = max(at, delivery.next_at)
        delivery = taken(delivery, at, 20.0)
        if answered:  # else the worker died before it could note anything
            delivery = failed(
                delivery, "it answered 503", at, give_up=timedelta(days=1), chance=0.5
            )
    assert (delivery.state is DeliveryState.UNDELIVERED) == (
        delivery.next_at - NOON > timedelta(days=1) and answers[delivery.attempts - 1]
    )
    assert delivered(delivery).state is DeliveryState.DELIVERED
    assert [pause_after(n, 0.5) for n in (1, 2, 3, 40)] == [5, 10, 20, 3600]


def test_spans_are_read_and_written() -> None:
    """As people write them."""
    assert [parse_span(each) for each in ("90s", "5m", "2h", "1d")] == [
        90, 300, 7200, 86_400,
    ]  # fmt: skip
    with pytest.raises(BadInput, match="not a span"):
        parse_span("2 hours")
    assert [show_span(s) for s in (59, 3599, 7500, 3 * 86_400)] == [
        "59 s", "59 min", "2 h 5 min", "3 d",
    ]  # fmt: skip
