"""Tenants that go while another screen or a dialog is in front of the table."""

from datetime import timedelta

import pytest
from tests.tui.pictures import NOW, believable, update
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.model.usage import TenantId
from meterdeck.tui.widgets.tenant_table import TenantTable


def table(operator: Operator) -> TenantTable:
    """Return the table of the first screen."""
    return operator.app.screen_stack[0].query_one(TenantTable)


async def choose_the_highest_row(operator: Operator) -> TenantId:
    """Put the cursor on the tenant whose row another's removal changes."""
    picture = operator.app.picture
    assert picture is not None
    last = picture.fleet.tenant(len(picture.fleet) - 1).id
    while table(operator).selected != last:
        await operator.press("down")
    return last


@pytest.mark.parametrize("key", ["enter", "s", "question_mark"])
async def test_a_tenant_that_goes_behind_a_screen_moves_no_cursor(key: str) -> None:
    """Rows have other numbers then; the cursor stays, whatever is read in between.

    In front may be a tenant, a dialog or a page, and the terminal may be resized.
    """
    gone, new = believable()[5].id, believable(31)[30]
    async with operating(fleet_update()) as operator:
        chosen = await choose_the_highest_row(operator)
        await operator.press(key)

        await operator.push(update(NOW + timedelta(seconds=1), removed=(gone,)))
        await operator.push(update(NOW + timedelta(seconds=2), tenants=(new,)))
        await operator.pilot.resize_terminal(100, 30)
        await operator.press("escape")

        assert table(operator).selected == chosen
        assert gone not in table(operator).shown_tenants()


async def test_whoever_comes_back_after_tenants_went_finds_the_others() -> None:
    """Also where the row with the highest number was on the screen."""
    gone = [each.id for each in believable()[5:9]]
    async with operating(fleet_update()) as operator:
        await operator.press("enter")

        await operator.push(update(NOW + timedelta(seconds=1), removed=tuple(gone)))
        await operator.press("escape")

        assert "1–22 of 22" in await operator.sees("of 22")


async def test_a_table_behind_leaves_the_tenant_in_front_to_be_read_each_second() -> (
    None
):
    """A tenant that goes, or a resize, has no other tenants read in its place."""
    async with operating(fleet_update()) as operator:
        await operator.press("enter")
        (first,) = operator.runtime.focused

        gone = believable()[5].id
        await operator.push(update(NOW + timedelta(seconds=1), removed=(gone,)))
        await operator.pilot.resize_terminal(100, 30)
        await operator.pilot.pause()

        assert operator.runtime.focused == (first,)
