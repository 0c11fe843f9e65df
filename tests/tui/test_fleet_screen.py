"""The first screen: table, filter, order, selection, what it says when it is empty."""

from concurrent.futures import Future
from datetime import timedelta

from tests.tui.pictures import NOW, RESOURCES, believable, context, counters, update
from tests.tui.support import Operator, fleet_update, operating
from textual.widgets import Input

from meterdeck.core.model.context import Mode
from meterdeck.core.model.fleet_update import Health, Reach
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.screens.fleet import FleetScreen
from meterdeck.tui.screens.tenant import TenantScreen
from meterdeck.tui.widgets.tenant_table import TableLines, TenantTable

AWAY = Health(Reach.DOWN, None, NOW, "connection refused")


def table(operator: Operator) -> TenantTable:
    """Return the table of the first screen."""
    return operator.app.screen_stack[0].query_one(TenantTable)


def named(operator: Operator) -> list[str]:
    """Return the names in the table from above."""
    picture = operator.app.picture
    assert picture is not None
    return [picture.fleet.tenant(row).name for row in table(operator).list.shown]


async def test_the_screen_shows_what_an_operator_needs_at_a_glance() -> None:
    """Mode, servers, clock, totals, bars with shares and signs, detail, events."""
    async with operating(fleet_update()) as operator:
        text = await operator.sees("Meter events")

        head = operator.lines()[0]
        assert "SANDBOX" in head
        assert "redis <1 ms" in head
        assert "stripe 84 ms" in head
        assert "UTC 14:02:1" in head
        assert "26 tenants" in operator.lines()[1]
        assert "at limit" in operator.lines()[1]
        assert "104% ━━━━━━━ FULL" in operator.line_with("Northwind Traders")
        assert "97%" in operator.line_with("Acme Robotics")
        assert "!!" in operator.line_with("Acme Robotics")
        assert "plan pro · resets 1 Dec in 8d 9h" in text


async def test_rows_are_no_widgets() -> None:
    """A hundred times as many tenants mount not one widget more."""
    async with operating(fleet_update(26)) as operator:
        few = len(operator.app.screen.query(TableLines))
    async with operating(fleet_update(2600)) as operator:
        many = len(operator.app.screen.query(TableLines))

    assert many == few


async def test_the_worst_tenant_is_on_top() -> None:
    """The table comes sorted by what needs attention."""
    async with operating(fleet_update()) as operator:
        picture = operator.app.picture
        assert picture is not None
        worst = [picture.fleet.worst(row) for row in table(operator).list.rows]

        assert worst == sorted(worst, reverse=True)


async def test_a_filter_narrows_while_it_is_typed_and_escape_drops_it() -> None:
    """`/` filters live; Enter keeps it, Esc shows everybody again."""
    async with operating(fleet_update()) as operator:
        await operator.press("slash")
        await operator.type("acme")
        assert named(operator) == ["Acme Robotics"]

        await operator.press("enter")
        assert named(operator) == ["Acme Robotics"]
        assert "“acme” · 1–1 of 1" in operator.text()

        await operator.press("escape")
        assert len(named(operator)) > 20


async def test_a_filter_that_matches_nothing_says_what_to_do() -> None:
    """An empty table names the filter and the way out."""
    async with operating(fleet_update()) as operator:
        await operator.press("slash")
        await operator.type("nobody")

        text = await operator.sees("no tenant has “nobody”")
        assert "Esc drops the filter" in text


async def test_letters_sort_and_the_heading_marks_key_and_direction() -> None:
    """The same key again turns the order round."""
    async with operating(fleet_update()) as operator:
        await operator.press("N")
        first = named(operator)
        assert "TENANT ▼" in operator.text()

        await operator.press("N")
        assert "TENANT ▲" in operator.text()
        assert first == sorted(first, key=str.casefold) or first != named(operator)


async def test_the_sort_menu_offers_every_resource() -> None:
    """`s` opens a menu; a letter in it chooses."""
    async with operating(fleet_update()) as operator:
        await operator.press("s")
        text = await operator.sees("Sort by")
        for resource in RESOURCES:
            assert resource.label in text

        await operator.press("2")
        assert table(operator).order.key == "storage_gb"
        assert "STORAGE ▼" in operator.text()


async def test_the_cursor_moves_by_keys_and_the_detail_follows() -> None:
    """Arrows, j and k, ends and pages move; the panel shows who is selected."""
    async with operating(fleet_update()) as operator:
        await operator.press("j", "j", "k")
        name = named(operator)[1]

        await operator.sees(f"\n {name}  ")
        await operator.press("G")
        assert table(operator).list.cursor == 25
        await operator.press("g")
        assert table(operator).list.cursor == 0


async def test_the_selection_stays_on_its_tenant_when_the_order_changes() -> None:
    """A tenant that rises in the order takes the cursor along."""
    async with operating(fleet_update()) as operator:
        await operator.press("down", "down")
        selected = table(operator).selected
        assert selected is not None

        await operator.push(update(counters=(counters(0, {selected: 10**9}),)))
        table(operator).rearrange()

        assert table(operator).selected == selected
        assert table(operator).list.cursor == 0


async def test_rows_do_not_jump_while_the_operator_moves() -> None:
    """Right after a key a new worst tenant waits for its place."""
    async with operating(fleet_update()) as operator:
        await operator.press("down")
        before = named(operator)
        last = believable(26)[20].id

        await operator.push(update(counters=(counters(0, {last: 10**9}),)))

        assert named(operator) == before


async def test_an_update_repaints_only_the_rows_that_changed() -> None:
    """The other rows' lines are the same as before, and are not drawn again."""
    async with operating(fleet_update()) as operator:
        column = operator.app.screen.query(TableLines)[0]
        before = list(column._lines)
        owner = table(operator).shown_tenants()[9]

        await operator.push(update(counters=(counters(0, {owner: 51_234}),)))

        changed = [y for y, strip in enumerate(column._lines) if strip is not before[y]]
        assert changed == [10]


async def test_a_click_selects_and_a_heading_sorts() -> None:
    """The mouse does what keys do."""
    async with operating(fleet_update()) as operator:
        await operator.pilot.click(TableLines, offset=(4, 4))
        await operator.pilot.pause()
        assert table(operator).list.cursor == 3

        await operator.pilot.click(TableLines, offset=(4, 0))
        await operator.pilot.pause()
        assert table(operator).order.key == "name"


async def test_enter_opens_the_tenant_and_escape_comes_back() -> None:
    """The tenant has a screen of its own."""
    async with operating(fleet_update()) as operator:
        await operator.press("down", "enter")
        text = await operator.sees("Audit trail")
        assert isinstance(operator.app.screen, TenantScreen)
        assert "cus_" in text

        await operator.press("escape")
        assert isinstance(operator.app.screen, FleetScreen)


async def test_the_engine_is_told_which_tenants_are_on_the_screen() -> None:
    """What is visible is read every second, whatever the fleet's size."""
    async with operating(fleet_update(400)) as operator:
        await operator.until(lambda: bool(operator.runtime.focused))
        first = operator.runtime.focused
        await operator.press("G")
        await operator.until(lambda: operator.runtime.focused != first)

        assert tuple(table(operator).shown_tenants()) == operator.runtime.focused


async def test_whoever_comes_back_to_a_screen_has_its_tenants_read_again() -> None:
    """Where a program only counts, others are looked at a few times a minute."""
    async with operating(fleet_update()) as operator:
        await operator.until(lambda: bool(operator.runtime.focused))
        fleet = operator.runtime.focused
        await operator.press("enter")
        (first,) = operator.runtime.focused
        operator.app.open_tenant(fleet[1])
        await operator.until(lambda: operator.runtime.focused == (fleet[1],))

        await operator.press("escape")
        assert operator.runtime.focused == (first,)
        await operator.press("escape")
        assert operator.runtime.focused == fleet


async def test_a_silent_redis_is_a_banner_over_the_last_picture() -> None:
    """The table stays, dimmed, with its age; it recovers by itself."""
    async with operating(fleet_update()) as operator:
        await operator.push(update(NOW + timedelta(seconds=12), redis=AWAY))

        text = await operator.sees("Redis does not answer since 14:02:11")
        assert "showing the picture of 12 s ago" in text
        assert "Northwind Traders" in text
        assert all(column.stale for column in operator.app.screen.query(TableLines))

        await operator.push(update(NOW + timedelta(seconds=14)))
        await operator.until(lambda: "does not answer" not in operator.text())
        assert not any(column.stale for column in operator.app.screen.query(TableLines))


async def test_a_silent_stripe_is_a_quiet_mark() -> None:
    """Counters go on; only the header says that Stripe is away."""
    async with operating(fleet_update()) as operator:
        await operator.push(update(stripe=AWAY))

        text = await operator.sees("✗ stripe away")
        assert "does not answer" not in text


async def test_a_redis_that_never_answered_says_why() -> None:
    """Without a picture the screen gives the reason and goes on trying."""
    async with operating(update(redis=Health(Reach.DOWN, message="refused"))) as op:
        text = await op.sees("refused – trying again")
        assert "waiting for Redis" in text


async def test_an_empty_fleet_says_how_tenants_come() -> None:
    """Without tenants the screen says what to do next."""
    async with operating(update()) as operator:
        text = await operator.sees("no tenants yet")
        assert "create a subscription in Stripe" in text


async def test_before_the_first_counters_the_screen_says_what_it_waits_for() -> None:
    """The first paint names the context that is being read."""
    waiting = Health(Reach.CONNECTING)
    async with operating(update(redis=waiting, stripe=waiting)) as operator:
        await operator.sees("reading sandbox …")


async def test_a_context_of_its_own_name_shows_name_and_mode() -> None:
    """`staging` is followed by TEST; `sandbox` alone says both."""
    async with operating(
        fleet_update(), of=context(Mode.TEST, read_only=True)
    ) as operator:
        assert "staging TEST  READ-ONLY" in operator.lines()[0]


async def test_an_unlimited_counter_has_a_count_and_no_bar() -> None:
    """There is no share of what has no limit."""
    async with operating(fleet_update()) as operator:
        line = operator.line_with("Paperplane")

        assert "∞" in line


async def test_the_filter_keeps_its_focus_while_data_comes() -> None:
    """An update does not take the cursor out of the field."""
    async with operating(fleet_update()) as operator:
        await operator.press("slash")
        await operator.type("zzz")
        await operator.push(update(counters=(counters(0, {TenantId("t"): 1}),)))

        assert isinstance(operator.app.focused, Input)


async def test_a_screen_behind_another_paints_nothing_and_catches_up() -> None:
    """Under a dialog each changed line would send the whole terminal anew."""
    async with operating(fleet_update()) as operator:
        column = operator.app.screen.query(TableLines)[0]
        before = list(column._lines)
        owner = table(operator).shown_tenants()[9]
        await operator.press("enter")

        await operator.push(update(counters=(counters(0, {owner: 51_234}),)))
        assert column._lines == before

        await operator.press("escape")
        await operator.until(lambda: column._lines != before)


async def test_an_update_may_come_while_a_screen_is_still_opening() -> None:
    """A screen without its widgets yet is left alone; it shows all once it has them."""
    async with operating(fleet_update()) as operator:
        app = operator.app
        assert app.picture is not None
        tenant = app.picture.fleet.tenant(0)

        app.open_tenant(tenant.id)
        counted: Future[int] = Future()
        counted.set_result(3)
        app.on_console_app_counted(app.Counted(counted))

        assert "3 letters" in await operator.sees("3 letters")
        assert app.screen_stack[-1].is_mounted
