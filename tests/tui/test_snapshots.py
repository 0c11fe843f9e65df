"""Every screen, at two sizes and in four renderings, as it looked when last approved.

A screen that looks different on purpose is approved by running this file with
METERDECK_SNAPSHOTS=update and reading the difference of the files.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.support.snapshots import compare, picture_of
from tests.tui.drift_pictures import missing, passed
from tests.tui.request_pictures import have_requests
from tests.tui.support import Operator, fleet_update, operating
from tests.tui.test_alerts_screen import have_alerts
from tests.tui.test_audit_screen import TRAIL
from tests.tui.test_costs import COST
from tests.tui.test_overrides_screen import BROKEN, GONE, LATE, OVER, SOON, TENANTS
from textual.message_pump import MessagePump
from textual.timer import Timer

from meterdeck.tui import picture, screens
from meterdeck.tui.actions import Area
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.themes import LIGHT

SNAPSHOTS = Path(__file__).with_name("snapshots")
UPDATE = os.environ.get("METERDECK_SNAPSHOTS") == "update"
SIZES = ((80, 24), (120, 40))
RENDERINGS: Mapping[str, Mapping[str, str]] = {
    "dark": {},
    "light": {},
    "sixteen": {"TERM": "xterm", "COLORTERM": ""},
    "none": {"TERM": "xterm", "NO_COLOR": "1"},
}
"""What the terminal says of itself."""
WAYS: Mapping[Area, tuple[str, ...]] = {
    Area.FLEET: (),
    Area.TENANT: ("enter",),
    Area.EVENTS: ("e",),
    Area.EVENT: ("e", "enter"),
    Area.FAULTS: ("F",),
    Area.CATALOGUE: ("c",),
    Area.OVERRIDES: ("O",),
    Area.AUDIT: ("A",),
    Area.HEALTH: ("H",),
    Area.DRIFT: ("D",),
    Area.ALERTS: ("L",),
    Area.HANDOFF: ("M",),
    Area.REQUESTS: ("Q",),
    Area.PULSE: ("p",),
}
"""Keys that lead from the fleet to each screen."""
SET_INTERVAL = MessagePump.set_interval
FOLDER = re.compile(r"shots-\w{8}")
CLOCK = re.compile(r"UTC \d\d:\d\d:\d\d")


def at_rest(pump: MessagePump, *arguments: Any, **options: Any) -> Timer:
    """Return a timer that never strikes."""
    return SET_INTERVAL(pump, *arguments, **options | {"pause": True})


def test_every_screen_has_its_snapshots() -> None:
    """A new one is not forgotten."""
    for module in iter_modules(screens.__path__, f"{screens.__name__}."):
        import_module(module.name)

    assert set(WAYS) == {screen.AREA for screen in screens_under(AreaScreen)}


def screens_under(base: type[AreaScreen]) -> Iterator[type[AreaScreen]]:
    """Yield the screens that are shown: those that say where they belong."""
    for each in base.__subclasses__():
        yield from screens_under(each)
        if "AREA" in vars(each):
            yield each


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder whose name is as long everywhere: the screen shows it."""
    with TemporaryDirectory(prefix="shots-", dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("rendering", RENDERINGS)
async def test_screens_look_as_they_did(
    rendering: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The same words everywhere; colours as the terminal can show them."""
    environ: Any = RENDERINGS[rendering]
    # The time stands still, and so do all that looks again every few seconds.
    monkeypatch.setattr(picture, "monotonic", lambda: 0.0)
    monkeypatch.setattr(MessagePump, "set_interval", at_rest)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if "NO_COLOR" in environ:
        monkeypatch.setenv("NO_COLOR", environ["NO_COLOR"])  # Textual reads its own
    monkeypatch.chdir(folder)
    differences = []
    async with operating(fleet_update(), **environ) as operator:
        have_something_to_show(operator)
        if rendering == "light":
            operator.app.theme = LIGHT
        for size in SIZES:
            await operator.pilot.resize_terminal(*size)
            for area, keys in WAYS.items():
                await operator.press(*keys)
                differences += look(operator, rendering, area, size)
                await home(operator)

    assert "".join(differences) == "", "\n".join(filter(None, differences))


def have_something_to_show(operator: Operator) -> None:
    """Give every list some records, so that its lines are in the snapshot, too."""
    engine = operator.engine
    engine.found_overrides = (LATE, SOON, GONE, BROKEN, OVER)
    engine.trail = TRAIL[:12]
    engine.costs.known = {TENANTS[0].id: replace(COST, tenant=TENANTS[0])}
    engine.drifting.wrong = [missing(TENANTS[1], 30), missing(TENANTS[5], 7)]
    engine.drifting.passed = passed(engine.drifting.wrong)
    have_alerts(operator)
    have_requests(engine.requests)


async def home(operator: Operator) -> None:
    """Go back to the first screen."""
    while len(operator.app.screen_stack) > 1:
        operator.app.pop_screen()
        await operator.pilot.pause()


def look(
    operator: Operator, rendering: str, area: Area, size: tuple[int, int]
) -> list[str]:
    """Compare what is on the screen with what was approved."""
    screen = operator.app.screen
    assert isinstance(screen, AreaScreen)
    assert screen.AREA is area
    lines, styles = picture_of(operator.app)
    words = CLOCK.sub("UTC 14:02:11", "\n".join(lines)) + "\n"
    words = FOLDER.sub("shots-xxxxxxxx", words)
    name = f"{str(area.name).lower()}-{size[0]}x{size[1]}"
    looks = "\n".join(styles) + "\n"
    return [
        compare(SNAPSHOTS / f"{name}.txt", words, update=UPDATE),
        compare(SNAPSHOTS / rendering / f"{name}.txt", looks, update=UPDATE),
    ]
