"""Alerts in the console: a line on every screen, and a screen of their own."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.tui.alert_pictures import alert, told
from tests.tui.pictures import NOW, believable, first_picture
from tests.tui.support import Operator, operating

from meterdeck.core.model.alert_delivery import DeliveryState
from meterdeck.core.model.alert_rules import Measure, Severity
from meterdeck.core.model.alerts import AlertState, Handled, Slot, Why
from meterdeck.core.model.usage import TenantId
from meterdeck.tui import console
from meterdeck.tui.dialogs.alert import AcknowledgeDialog, SnoozeDialog
from meterdeck.tui.screens.tenant import TenantScreen
from meterdeck.tui.widgets.banner import Banner

TENANTS = believable()
NORTHWIND, ACME = TENANTS[0], TENANTS[1]
WARNING = alert(2, NORTHWIND.id, name=NORTHWIND.name)
CRITICAL = alert(
    30, ACME.id, name=ACME.name, value=1_500, resource="storage_gb",
    measure=Measure.TIME_TO_LIMIT, severity=Severity.CRITICAL,
    slot=Slot("soon", 7_200, TenantId(ACME.id), "storage_gb", "2026-11-10"),
)  # fmt: skip
LAG = alert(
    50, "", value=700, used=None, limit=None, measure=Measure.LAG,
    slot=Slot("late", 600, TenantId(""), "", "now"), state=AlertState.ACKNOWLEDGED,
    handled=Handled("ben", "local", NOW, "Stripe is down"),
)  # fmt: skip
OVER = alert(90, "gone\x1b[2J", state=AlertState.RESOLVED, why=Why.PERIOD_OVER)


def have_alerts(operator: Operator) -> None:
    """Let the engine have four alerts, one of which nobody could be told of."""
    alerts = operator.engine.alerts
    alerts.put(WARNING, told(WARNING))
    given_up = told(
        CRITICAL,
        state=DeliveryState.UNDELIVERED,
        attempts=24,
        problem="it answered 503",
    )
    alerts.put(CRITICAL, given_up)
    alerts.put(LAG)
    alerts.put(OVER)


async def test_open_alerts_come_with_the_first_counters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for the next look; before the engine is there none can be asked."""
    monkeypatch.setattr(console, "ALERTS_S", 3_600.0)
    whole = first_picture(TENANTS)
    async with operating(replace(whole, counters=(), counters_at=None)) as operator:
        have_alerts(operator)
        assert not banner_of(operator).display

        await operator.push(replace(whole, tenants=()))

        await operator.sees("2 alerts: Acme Robotics Storage limit in 25 min")


async def test_open_alerts_are_on_every_screen_and_seen_to_on_their_own() -> None:
    """Critical first; who has seen to one leaves the line, and is named in the list."""
    async with operating(first_picture(TENANTS)) as operator:
        banner = operator.app.screen.query_one(Banner)
        assert not banner.display
        have_alerts(operator)
        operator.app.alerts.look()

        said = (
            "2 alerts: Acme Robotics Storage limit in 25 min"
            " · Northwind Traders API calls 95 %"
        )
        await operator.sees(said)
        for key in ("enter", "e", "F"):
            await operator.press(key)
            await operator.sees(said)
        await operator.press("L")
        text = await operator.sees("2 open of 4 · 1 undelivered")
        places = [
            text.index(each, text.index("SEVERITY"))
            for each in ("Acme Robotics", "Northwind", "delivery", "gone␛[2J")
        ]
        assert places == sorted(places)
        assert (
            "alert.fired was given up 2026-11-22 13:32 UTC, 24 attempts: it ans" in text
        )
        assert "undelivered" in operator.line_with("limit in 25 min  ")

        await operator.press("x")
        assert isinstance(operator.app.screen, AcknowledgeDialog)
        assert "open  →  acknowledged by you" in operator.text()
        await operator.type("calling them")
        await operator.press("enter", "enter")  # ends on Cancel: Enter never confirms
        assert operator.engine.alerts.done == []
        await operator.press("x")
        await operator.type("calling them")
        await operator.press("ctrl+s")
        await operator.sees("1 alert: Northwind Traders API calls 95 %")
        assert operator.engine.alerts.done == [
            (CRITICAL.id, "acknowledged", "calling them")
        ]
        await operator.press("j")
        await operator.sees("acknowledged by ana (ssh 10.0.0.5)")

        await operator.press("g", "z")
        assert isinstance(operator.app.screen, SnoozeDialog)
        await operator.press("ctrl+s")
        await operator.until(lambda: not banner_of(operator).display, "no line")
        assert operator.engine.alerts.done[1][:2] == (WARNING.id, "snoozed")

        await operator.press("slash")
        await operator.type("state:ack")
        await operator.press("tab", "enter", "j")
        assert "gone␛[2J" not in operator.text()
        await operator.sees("Stripe is down")
        await operator.press("enter")
        assert "this alert is no tenant's" in operator.notices()
        await operator.press("k", "enter")
        assert isinstance(operator.app.screen, TenantScreen)


def banner_of(operator: Operator) -> Banner:
    """Return the line on the screen in front."""
    return operator.app.screen.query_one(Banner)


async def test_a_snooze_that_is_over_and_a_worker_that_is_gone_are_said() -> None:
    """At 80 columns too; the sentence says what follows."""
    async with operating(first_picture(TENANTS), size=(80, 24)) as operator:
        before = Handled("ana", "local", NOW, "", NOW - timedelta(minutes=1))
        snoozed = replace(WARNING, state=AlertState.SNOOZED, handled=before)
        operator.engine.alerts.put(snoozed)
        operator.engine.alerts.watched = False
        operator.app.alerts.look()
        await operator.sees("1 alert: Northwind Traders API calls 95 %")

        await operator.press("L")
        await operator.sees("no worker runs since 14:02:11")
        assert "open: nobody has seen to it" in operator.text()
