"""A gauge in the console: a level, and no date at which it would start anew."""

from dataclasses import replace

from tests.support.tenants import but
from tests.tui.pictures import NOW, RESOURCES, context, counters, tenant, update
from tests.tui.support import operating

from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.usage import Resource, ResourceKind, ResourceName

DISK = Resource(ResourceName("disk_gb"), "Disk", "GB", scale=3, kind=ResourceKind.GAUGE)
ALL = (*RESOURCES, DISK)
CONTEXT = replace(context(), resources=ALL)


def picture() -> WatchUpdate:
    """Return one tenant whose disk is its worst resource."""
    acme = but(tenant("acme", "Acme Robotics"), limits={DISK.name: 100_000})
    level = counters(3, {acme.id: 95_500}, ALL)
    return update(NOW, tenants=(acme,), counters=(level,))


async def test_the_fleet_says_that_a_gauge_never_resets() -> None:
    """In place of the date of the nearest limit."""
    async with operating(picture(), of=CONTEXT, size=(160, 40)) as operator:
        line = operator.line_with("Acme Robotics")

        assert "95" in line
        assert "never" in line


async def test_a_tenants_gauge_says_that_it_does_not_reset() -> None:
    """Beside counters that do."""
    async with operating(picture(), of=CONTEXT, size=(120, 40)) as operator:
        await operator.press("enter")
        text = operator.text()

        assert "95.5 / 100" in text
        assert "does not reset" in text
        assert "resets 1 Dec" in text
