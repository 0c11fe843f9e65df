"""The screen of all overrides: what ends first, and what happens then."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.tui.pictures import API, IMAGES, NOW, believable, first_picture, update
from tests.tui.support import operating
from textual.widgets import Input

from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.changes import Override
from meterdeck.core.model.fleet_update import OverrideChange
from meterdeck.core.model.override_ends import FoundOverride
from meterdeck.core.model.usage import Limit, LimitSource, Resource, TenantId
from meterdeck.tui.dialogs.override import OverrideDialog
from meterdeck.tui.screens.overrides import OverridesScreen
from meterdeck.tui.screens.tenant import TenantScreen
from meterdeck.tui.widgets.record_list import RecordList

TENANTS = believable()


def found(
    tenant: str, units: int, hours: float, resource: Resource = API
) -> FoundOverride:
    """Return an override that ends in so many hours."""
    override = Override(
        TenantId(tenant), resource.name, units, "ben", "launch week",
        NOW - timedelta(days=2), NOW + timedelta(hours=hours),
    )  # fmt: skip
    return FoundOverride(override.tenant, resource.name, override)


LATE = found(TENANTS[3].id, 120_000, 123)
SOON = found(TENANTS[0].id, 150_000, 3.5)
GONE = found("gone_co", 9_000, 50, IMAGES)
BROKEN = FoundOverride(TENANTS[9].id, API.name, None, problem="it holds no limit")
OVER = replace(found(TENANTS[5].id, 5, -3), ended=True)


async def test_what_ends_first_is_on_top_and_says_what_happens_then() -> None:
    """Broken and ended ones are not hidden; the detail follows the cursor."""
    async with operating(first_picture(TENANTS)) as operator:
        operator.engine.found_overrides = (LATE, SOON, GONE, BROKEN, OVER)
        await operator.press("O")

        text = await operator.sees("launch week")
        places = [
            text.index(each)
            for each in ("Atelier", "Kestrel", "Northwind", "gone_co", "Blue Harbor")
        ]
        assert places == sorted(places)
        assert "it holds no limit" in text
        assert "1 end within 12 h · 1 refuse calls then · 2 over or broken" in text
        assert "has ended" in operator.line_with("Kestrel")
        assert "refused" in operator.line_with("Northwind")
        row = operator.app.screen.query_one(RecordList).sheet("overrides").rows[0]
        assert list(row[:2]) == ["atelier_d", "api_calls"]  # a file has the ids

        await operator.press("j", "j")
        text = operator.text()
        assert "100,000 (plan pro): refused at once, 4,000 over" in text
        assert "104,000 of 150,000, 69 %" in text
        assert "2026-11-22 17:32 UTC, in 3h" in text

        await operator.press("slash")
        await operator.type("gone")
        await operator.press("enter")
        assert "Northwind" not in operator.text()
        assert "the tenant is not known any more" in operator.text()
        await operator.press("slash")
        await operator.type(" | tenant:harbor resource:call")
        await operator.press("enter")
        assert "Blue Harbor" in operator.text()  # by the name and by the label
        await operator.press("escape")
        assert "Northwind" in operator.text()


async def test_an_override_is_extended_removed_and_its_tenant_opened_from_there() -> (
    None
):
    """The dialog stands on that resource and limit; a tenant that has gone, too."""
    async with operating(first_picture(TENANTS)) as operator:
        operator.engine.found_overrides = (SOON, GONE)
        await operator.press("O")
        await operator.sees("launch week")

        await operator.press("o")
        dialog = operator.app.screen
        assert isinstance(dialog, OverrideDialog)
        assert dialog.target.resource is API
        assert dialog.query_one("#limit", Input).value == "150000"
        await operator.press("escape", "j", "x")
        dialog = operator.app.screen
        assert isinstance(dialog, OverrideDialog)
        assert dialog.target.resource is IMAGES
        await operator.type("left us")
        await operator.press("ctrl+s")
        await operator.until(lambda: bool(operator.engine.cleared))
        assert operator.engine.cleared == [("gone_co", "left us")]

        await operator.press("k", "enter")
        assert isinstance(operator.app.screen, TenantScreen)
        await operator.press("escape", "escape")
        assert not isinstance(operator.app.screen, OverridesScreen)


async def test_what_was_read_stays_while_redis_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The problem is said beside the title; a change is read as soon as it is told."""
    monkeypatch.setattr(OverridesScreen, "EVERY_S", 600.0)
    async with operating(first_picture(TENANTS)) as operator:
        operator.engine.found_overrides = (SOON,)
        await operator.press("O")
        await operator.sees("launch week")
        screen = operator.app.screen
        assert isinstance(screen, OverridesScreen)

        operator.engine.error = RedisUnreachable("Redis is away")
        screen.ask_engine()
        text = await operator.sees("Redis is away")
        assert "launch week" in text
        change = OverrideChange(SOON.tenant, API.name, Limit(5, LimitSource.OVERRIDE))
        await operator.push(update(overrides=(change,)))  # told at once
        await operator.until(lambda: "Redis is away" not in operator.text())
