"""Distinct members in the console: an estimate that says so."""

from dataclasses import replace

import pytest
from tests.support.tenants import but
from tests.tui.pictures import NOW, RESOURCES, context, counters, tenant, update
from tests.tui.support import operating
from textual.widgets import Static

from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import Resource, ResourceKind, ResourceName

USERS = Resource(
    ResourceName("active_users"), "Active users", "user", kind=ResourceKind.UNIQUE
)
DISK = Resource(ResourceName("disk_gb"), "Disk", "GB", scale=3, kind=ResourceKind.GAUGE)
ALL = (*RESOURCES, USERS, DISK)
CONTEXT = replace(context(), resources=ALL)


def picture(limit: int | None) -> WatchUpdate:
    """Return one tenant with members, a level, and a limit of its members."""
    limits = {USERS.name: limit, DISK.name: 100_000}
    acme = but(tenant("acme", "Acme Robotics"), limits=limits)
    return update(
        NOW,
        tenants=(acme,),
        counters=(
            counters(3, {acme.id: 12_345}, ALL),
            counters(4, {acme.id: 10_500}, ALL),
        ),
    )


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_an_estimate_says_that_it_is_one_and_how_far_it_is_off(
    size: tuple[int, int],
) -> None:
    """In the tenant's counters; a sum and a level do not."""
    async with operating(picture(20_000), of=CONTEXT, size=size) as operator:
        await operator.press("enter")
        text = await operator.sees("≈12,345 / 20,000")

        assert "± 0.81 %" in text
        assert "10.5 / 100" in text
        assert "≈10.5" not in text


async def test_a_count_without_a_limit_is_marked_in_the_table() -> None:
    """There it stands alone, without a bar."""
    async with operating(picture(None), of=CONTEXT, size=(160, 40)) as operator:
        assert "≈12.3k ∞" in operator.line_with("Acme Robotics")


@pytest.mark.parametrize(
    ("resource", "before", "note"),
    [
        ("active_users", "≈12,345 (61 %)", "New members are added to what you set"),
        ("disk_gb", "10.5 (10 %)", "A new reading replaces the level"),
    ],
)
async def test_a_dialog_says_what_becomes_of_an_adjustment(
    resource: str, before: str, note: str
) -> None:
    """A level is replaced by the next reading, an estimate goes on from there."""
    async with operating(picture(20_000), of=CONTEXT) as operator:
        await operator.press("a")
        await operator.sees("Adjust a counter")
        opened = operator.app.screen
        await operator.type("1")
        opened.query_one("#resource").focus()
        while opened.target.resource.name != resource:  # type: ignore[attr-defined]  # the dialog's
            await operator.press("right")
        opened.query_one("#reason").focus()
        await operator.type("x")

        await operator.sees(f"{before}  →")
        assert note in str(opened.query_one("#note", Static).render())
