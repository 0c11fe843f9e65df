"""The table in groups, and tenants that are marked."""

from tests.tui.pictures import believable, counters, update
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui.tenant_groups import TenantGroups
from meterdeck.tui.widgets.tenant_table import TableLines, TenantTable


def table(operator: Operator) -> TenantTable:
    """Return the table of the first screen."""
    return operator.app.screen_stack[0].query_one(TenantTable)


async def test_tenants_in_groups() -> None:
    """Headings count; groups fold, the selection stays, and it is remembered."""
    async with operating(fleet_update()) as operator:
        await operator.press("down", "b", "s")
        selected = table(operator).selected
        assert selected == "redwood_health"
        heading = operator.line_with("active  ")
        assert heading.startswith("▾ active  22 tenants · 2 at limit · 10 near")
        assert operator.lines()[3].startswith("▾ unpaid  1 tenant")

        await operator.press("left")
        assert table(operator).selected is None
        assert "▸ active  22 tenants" in operator.text()
        await operator.until(lambda: "Redwood Health" not in operator.text())
        owner = believable(26)[20].id
        await operator.push(update(counters=(counters(0, {owner: 10**9}),)))
        table(operator).rearrange()
        assert "▸ active  22 tenants · 3 at limit" in operator.text()
        assert table(operator).groups.of_line(table(operator).list.line) is not None

        await operator.press("enter")
        assert "▾ active" in operator.text()
        await operator.press("z")
        assert len(table(operator).list.rows) == 5
        assert len(set(table(operator).every_row())) == 26  # for the export

        remembered = TenantGroups()
        remembered.recall(operator.app.memory.get("groups"))
        assert remembered.by is GroupBy.STATUS
        assert remembered.remembered() == table(operator).groups.remembered()
        await operator.press("right", "b", "p", "z")
        held = table(operator).groups.of_line(table(operator).list.line)
        assert held is not None
        assert held.key == "pro"
        await operator.press("colon")
        await operator.type("group nothing")
        await operator.press("enter")
        assert len(table(operator).list.rows) == 26


async def test_marks_stay_on_their_tenants() -> None:
    """Whatever the order and the filter are; Esc takes the filter, then the marks."""
    async with operating(fleet_update()) as operator:
        await operator.press("space", "space")
        marked = set(table(operator).marks.tenants)
        assert len(marked) == 2
        assert "● 2 marked" in operator.text()
        assert operator.line_with("Northwind Traders").startswith("● ")

        await operator.press("N", "slash")
        await operator.type("acme")
        await operator.press("enter", "asterisk")
        assert table(operator).marks.tenants == marked | {"acme_robotics"}
        await operator.press("asterisk", "escape")
        assert table(operator).marks.tenants == marked
        await operator.press("escape")
        assert not table(operator).marks
        assert "marked" not in operator.text()


def test_hostile_memory_is_no_grouping() -> None:
    """Nothing that a file says stops the console; what makes sense is kept."""
    groups = TenantGroups()
    for hostile in (3, "colour", None, ["plan"], {"plan": 1}):
        groups.recall({"by": hostile, "folded": hostile})
        assert groups.remembered() == {"by": "nothing", "folded": []}

    groups.recall({"by": "plan", "folded": [["plan", "pro"], ["x", "y"], [], "plan"]})

    assert groups.remembered() == {"by": "plan", "folded": [["plan", "pro"]]}


async def test_columns_are_chosen_sized_and_remembered() -> None:
    """At 80×24; a column that is left out gives its room to the others."""
    async with operating(fleet_update(), size=(80, 24)) as operator:
        await operator.press("C", "down", "down", "space", "x")
        assert "○" in operator.line_with("API calls")
        await operator.press("down", "x", "x", "left", "end", "space", "enter")
        heading = operator.lines()[2]
        assert "API CALLS" not in heading
        assert heading.split()[-2:] == ["LIMIT", "IN"]
        assert "reached" in operator.line_with("Redwood Health")

        lines = operator.app.screen.query_one(TableLines)
        owner = table(operator).shown_tenants()[9]
        before = list(lines._lines)
        await operator.push(update(counters=(counters(1, {owner: 9}),)))
        changed = [y for y, line in enumerate(lines._lines) if line != before[y]]
        assert changed == [10]

        kept = operator.app.memory.get("columns")
        await operator.press("C", "a", "0")
        assert "automatic" in operator.line_with("Columns in every context")
        await operator.press("enter")
        assert "API CALLS" in operator.lines()[2]
        assert operator.app.memory.get("columns") != kept
