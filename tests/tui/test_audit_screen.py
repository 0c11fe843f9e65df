"""The screen of everybody's audit trail."""

from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from tests.tui.pictures import API, NOW, believable
from tests.tui.support import Operator, fleet_update, operating
from textual.widgets import Input

from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.audit import AuditPage, BrokenChain
from meterdeck.core.model.changes import AuditEntry, Bill, Undone
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.dialogs.undo import UndoDialog
from meterdeck.tui.screens.audit import PAGE, AuditScreen
from meterdeck.tui.screens.tenant import TenantScreen

TENANTS = believable()


def entry(
    minutes: int, actor: str = "ana", *, tenant: str = "", undoes: str = ""
) -> AuditEntry:
    """Return a change of so many minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    return AuditEntry(
        f"{int(at.timestamp() * 1000)}-0", at, actor, "ssh 10.0.0.9", "adjust:add",
        TenantId(tenant or TENANTS[minutes % 26].id), API.name, "2026-11", "93000",
        "104000", f"ticket {minutes}", Bill.QUOTA_ONLY, "op-1", "0" * 40, "3f2a" * 10,
        undoes,
    )  # fmt: skip


TRAIL = tuple(entry(minutes) for minutes in range(1, 2 * PAGE))


def screen(operator: Operator) -> AuditScreen:
    """Return the screen in front."""
    found = operator.app.screen
    assert isinstance(found, AuditScreen)
    return found


async def test_the_trail_follows_on_top_and_reads_on_at_its_end() -> None:
    """New entries come on top; older ones when the cursor comes near."""
    async with operating(fleet_update()) as operator:
        operator.engine.trail = TRAIL
        await operator.press("A")
        text = await operator.sees("ticket 1")
        assert "93,000 → 104,000, the bill did not follow, period 2026-11" in text
        assert "3f2a" * 10 + " after nothing: the first" in text
        assert f"{PAGE} · back to" in text

        await operator.press("j", "k")
        newest = entry(0, "ben")
        operator.engine.trail = (newest, *TRAIL)
        screen(operator).ask_engine()
        await operator.sees("ticket 0")
        assert screen(operator).entry == newest.id

        await operator.press("G")
        await operator.sees(f"{2 * PAGE:,} · that is all")
        assert operator.engine.audited[-1].before is not None
        chosen = screen(operator).entry
        operator.engine.trail = (entry(-1, "ben"), newest, *TRAIL)
        screen(operator).ask_engine()
        await operator.sees(f"{2 * PAGE + 1:,} · that is all")
        assert screen(operator).entry == chosen


async def test_that_redis_does_not_answer_is_said_for_as_long_as_that_is_so() -> None:
    """The next answer takes its place, also where nothing was changed meanwhile."""
    async with operating(fleet_update()) as operator:
        operator.engine.trail = (entry(1), entry(2))
        await operator.press("A")
        await operator.sees("2 · that is all")

        operator.engine.error = RedisUnreachable("Redis does not answer: timed out")
        screen(operator).ask_engine()
        await operator.sees("Redis does not answer: timed out")

        screen(operator).ask_engine()
        assert "does not answer" not in await operator.sees("2 · that is all")


async def test_the_chosen_entry_is_undone_and_its_tenant_opened() -> None:
    """Also of a tenant that has gone; what was undone says by whom."""
    old = entry(9, tenant="gone_co")
    undone = entry(8, tenant=TENANTS[0].id)
    undo = entry(1, "ben", tenant=TENANTS[0].id, undoes=undone.id)
    async with operating(fleet_update()) as operator:
        operator.engine.trail = (undo, undone, old)
        operator.engine.foreseen = {
            old.id: Undone(old, "adjust:subtract", "104000", "93000", "", False)
        }
        await operator.press("A")
        assert f"it undoes {undone.id}" in await operator.sees("ticket 9")
        await operator.press("j")
        assert "undone by ben at" in operator.text()
        await operator.press("j", "u")
        assert isinstance(operator.app.screen, UndoDialog)
        await operator.press("escape", "g", "enter")
        assert isinstance(operator.app.screen, TenantScreen)

        await operator.press("A")
        await operator.until(lambda: len(screen(operator)._list.shown) == 2)
        assert operator.engine.audited[-1].tenant == TENANTS[0].id


async def test_a_filter_asks_redis_for_what_it_can_and_says_what_is_wrong() -> None:
    """`who=ana` goes to the trail, words are looked for in what was read."""
    async with operating(fleet_update()) as operator:
        operator.engine.trail = (entry(1), entry(2, "ben"), entry(3), entry(400))
        await operator.press("A", "slash")
        await operator.type("who=ana since:5h !why:7")
        await operator.until(lambda: len(screen(operator)._list.shown) == 2)
        query = operator.engine.audited[-1]
        assert (query.actor, query.since) == (
            "ana", NOW.replace(second=0) - timedelta(hours=5),
        )  # fmt: skip

        bar = screen(operator).query_one(Input)
        bar.value = "colour:red"
        await operator.sees("colour")
        assert len(screen(operator)._list.shown) == 2
        await operator.press("escape")
        await operator.until(lambda: len(screen(operator)._list.shown) == 4)

        await operator.press("slash", *"acti", "tab", *"adj", "tab")
        assert bar.value == "action:adjust:add"


async def test_a_page_that_comes_late_keeps_no_other_filter_from_reading_on() -> None:
    """It is of the filter before; what is wanted at the end now is asked for then."""
    async with operating(fleet_update()) as operator:
        operator.engine.trail = TRAIL
        await operator.press("A")
        await operator.sees("ticket 1")
        late = Future[Any]()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(operator.runtime, "submit", lambda *_, **__: late)
            await operator.press("G")
        await operator.press("slash")
        await operator.type("who=ana")
        await operator.press("enter")
        await operator.until(lambda: len(screen(operator)._list.shown) == PAGE)
        await operator.press("G")
        late.set_result(AuditPage((), None))

        await operator.sees(f"{len(TRAIL):,} · that is all")


async def test_trails_are_verified_and_the_verdict_is_on_the_screen() -> None:
    """One tenant's, or everybody's; a broken one is named with its entry."""
    async with operating(fleet_update()) as operator:
        operator.engine.trail = (entry(1, tenant="acme"),)
        await operator.press("A")
        await operator.sees("ticket 1")
        await operator.press("V", "a")
        await operator.sees("all 26 trails are as they were written, 1,204 entries")
        operator.engine.broken = (
            BrokenChain(TenantId("acme"), "7-0", "it is another tenant's"),
        )
        await operator.press("V", "t")
        await operator.sees("acme entry 7-0: it is another tenant's")
