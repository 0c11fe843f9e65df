"""Finding tenants: the filter's language on the screen, completion, complaints."""

from tests.tui.support import fleet_update, operating
from textual.widgets import Input

from meterdeck.tui.widgets.tenant_table import TenantTable


async def test_a_filter_is_completed_and_a_complaint_waits_for_a_rest() -> None:
    """Tab goes through what fits; a wrong filter leaves the list as it was, and what is
    wrong with it is said when the typing rests, or at Enter, which keeps it open.
    """
    async with operating(fleet_update(), size=(80, 24)) as operator:
        table = operator.app.screen.query_one(TenantTable)
        everybody = len(table.ordered)
        await operator.press("slash")
        offered = operator.lines()[-1]
        await operator.type("pl")
        await operator.sees("plan:")
        await operator.press("tab")
        await operator.type("s")
        await operator.sees("plan:scale")
        begun = len(table.ordered)
        await operator.press("right")
        completed = table.filter
        await operator.type("x")
        kept, quiet = table.filter, operator.lines()[-1]
        await operator.press("enter")
        said = operator.lines()[-1]
        await operator.press("backspace")
        mended = operator.lines()[-1]
        await operator.press("enter")

        assert offered.startswith(" Tab plan:  status:  is:  worst>  eta<")
        assert 0 < begun < everybody
        assert completed == kept == "plan:scale"
        assert "no value" not in quiet
        # There is no room for the place as well: it gives way to what would be right.
        assert said.startswith(" plan has no value scalex; did you mean scale? valid")
        assert "keep" in mended
        assert operator.lines()[-1].startswith(" / filter")
        await operator.press("slash")
        await operator.type(" no:no")
        await operator.sees("there is no field no;")


async def test_the_list_follows_what_a_filter_says_of_live_counters() -> None:
    """A share is compared as it is shown, and letters in order find a name."""
    async with operating(fleet_update()) as operator:
        table = operator.app.screen.query_one(TenantTable)
        fleet = operator.app.picture.fleet if operator.app.picture else None
        assert fleet is not None
        await operator.press("slash")
        await operator.type("api_calls>90% !status:unpaid")
        found = [fleet.percent(row, 0) or 0 for row in table.ordered]
        await operator.press("escape", "slash")
        await operator.type("rdwd")
        await operator.sees("1 tenant")

        assert found
        assert min(found) > 90
        assert "Redwood Health" in operator.text()


async def test_a_view_is_saved_chosen_by_its_name_and_deleted() -> None:
    """A view is filter, order and groups; those that are always there cannot go."""
    async with operating(fleet_update()) as operator:
        table = operator.app.screen.query_one(TenantTable)
        await operator.press("v")
        menu = await operator.sees("status:past_due,unpaid")
        await operator.press("1")
        at_limit = (table.filter, len(table.ordered))
        await operator.press("slash")
        await operator.type("plan:pro")
        await operator.press("enter", "N", "b", "s", "v", "s")
        await operator.type("Night")
        await operator.press("enter")
        await operator.press("escape", "v", "2")
        between = (table.filter, table.order.key)
        await operator.press("slash")
        await operator.type("@ni")
        await operator.press("tab", "enter")
        applied = (table.filter, table.order.key, table.groups.by.value)
        await operator.press("v", *["down"] * 5, "x", "v")
        gone = operator.text()

        assert "at limit" in menu
        assert at_limit == ("at:limit", 2)
        assert between == ("is:near", "worst")
        assert applied == ("plan:pro", "name", "status")
        assert operator.app.memory.get("views") == {}
        assert "Night is deleted" in operator.notices()
        assert "Night" not in gone.split("Views")[1].split("s saves")[0]


async def test_a_tenant_is_opened_by_any_of_its_ids() -> None:
    """`J` takes a tenant's, a customer's or a subscription's id, and so does a filter
    into which one is pasted; what is not found is said where it was typed.
    """
    async with operating(fleet_update()) as operator:
        picture = operator.app.picture
        assert picture is not None
        tenant = picture.fleet.tenant(3)
        await operator.press("J")
        await operator.type("sub_nobody")
        await operator.press("enter")
        missing = await operator.sees("no tenant, customer or subscription is called")
        await operator.press("ctrl+u")
        await operator.type(f"tenant {tenant.subscription}")
        await operator.press("enter")
        by_subscription = operator.app.screen.subject  # type: ignore[attr-defined]
        await operator.press("escape", "slash")
        operator.app.screen.query_one(Input).insert_text_at_cursor(tenant.customer)
        await operator.press("enter")

        assert "sub_nobody" in missing
        assert by_subscription == tenant.id
        assert operator.app.screen.subject == tenant.id  # type: ignore[attr-defined]
