"""Finding tenants: the filter's language on the screen, completion, complaints."""

from tests.tui.support import fleet_update, operating

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
        assert said.startswith(" filter, character 1: plan has no value scalex; did")
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
