"""The limits of several tenants, changed from the table."""

import pytest
from tests.tui.pictures import context
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.errors import UnknownOutcome
from meterdeck.core.model.context import Mode
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.widgets.tenant_table import TenantTable


def marked(operator: Operator) -> set[TenantId]:
    """Return who is marked in the table."""
    return operator.app.screen_stack[0].query_one(TenantTable).marks.tenants


async def test_marked_tenants_get_other_limits_together() -> None:
    """Previewed with who is refused no more; who could not be changed stays marked."""
    async with operating(fleet_update(), size=(80, 24)) as operator:
        await operator.press("space", "space", "space", "o")
        await operator.type("x1.1")
        text = await operator.sees("3 raised")
        assert "3 tenants: Northwind Traders, Redwood Health" in text
        assert "1: Northwind Traders" in operator.line_with("→ allowed")
        assert "nobody" in operator.line_with("→ refused")
        assert "a reason is missing" in text

        operator.engine.bulk.refusing["redwood_health"] = "a reason"
        await operator.press("tab", "tab")
        await operator.type("launch")
        await operator.press("enter", "enter")
        assert not operator.engine.bulk.orders

        await operator.press("o")
        await operator.type("x1.1")
        await operator.press("tab", "tab")
        await operator.type("launch")
        await operator.press("ctrl+s")
        await operator.until(lambda: len(marked(operator)) == 1)
        order, _ = operator.engine.bulk.orders[0]
        assert not order.remove
        assert dict(order.limits)[TenantId("northwind_traders")] == 110_000
        assert order.reason == "launch"
        assert marked(operator) == {"redwood_health"}
        assert (
            "2 overrides set, 1 not (redwood_health: a reason); they are still marked"
            in operator.notices()
        )

        await operator.press("slash")
        await operator.type("blue")
        await operator.press("enter", "space", "o", "up", "right")
        await operator.press("up", "left", "left")
        assert "1: Redwood Health" in await operator.sees("1 lowered")
        assert "Remove all" in operator.text()
        await operator.sees("ctrl+s confirm")
        await operator.press("tab", "tab")
        await operator.type("over")
        await operator.press("ctrl+s")
        order, _ = operator.engine.bulk.orders[-1]
        assert order.remove
        assert dict(order.limits) == {TenantId("blue_harbor_logistics"): 100_000}


@pytest.mark.parametrize("count", [26, 2_100])
async def test_a_removal_that_is_taken_back_leaves_no_preview_of_it(count: int) -> None:
    """Without a limit there is nothing to confirm, however many are marked: more than
    are previewed anew each second, too."""
    async with operating(fleet_update(count)) as operator:
        await operator.press("asterisk", "o", "up", "right")
        await operator.sees("1 lowered")
        await operator.press("left")
        await operator.sees("which limit? write units, ×1.5, +20% or unlimited")
        assert "1 lowered" not in operator.text()
        await operator.press("tab", "tab", "tab")
        await operator.type("launch")
        await operator.press("ctrl+s")

        assert not operator.engine.bulk.orders


async def test_a_lost_answer_is_asked_about_with_the_same_ids() -> None:
    """In a live context its name is typed; asking again clears the marks."""
    live = context(Mode.LIVE, name="prod")
    async with operating(fleet_update(), of=live) as operator:
        operator.engine.bulk.error = UnknownOutcome("override 1 of 2", "op")
        await operator.press("space", "space", "o")
        await operator.type("+20%")
        await operator.press("tab", "tab")
        await operator.type("launch")
        await operator.press("ctrl+s")
        assert "type prod in the last field" in operator.text()
        await operator.press("enter")
        await operator.type("prod")
        await operator.press("ctrl+s")
        await operator.sees("the answer was lost")
        assert len(marked(operator)) == 2

        await operator.press_anew("right", "enter")
        await operator.until(lambda: not marked(operator))
        first, again = operator.engine.bulk.orders
        assert first == again
        assert "2 overrides set; each can be undone" in operator.notices()
