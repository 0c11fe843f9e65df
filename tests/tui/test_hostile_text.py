"""Names and values from outside are data on every screen."""

import unicodedata
from dataclasses import replace

import pytest
from tests.support.tenants import but
from tests.support.well import WELL, WORKER
from tests.tui.drift_pictures import missing, passed, row_of
from tests.tui.pictures import (
    NOW,
    RESOURCES,
    context,
    counters,
    first_picture,
    logged,
    tenant,
)
from tests.tui.support import Operator, operating
from textual.widgets import Input

from meterdeck.core.model.events import EventOutcome
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.health import Sending, Trouble
from meterdeck.core.model.usage import Broken, PlanName, ResourceName, TenantId

PAYLOADS = (
    "[bold red]x[/]",
    "[@click=app.quit]quit[/]",
    "[/nope]",
    "[link=https://x]y[/link] [$x]",
    "\x1b[31mred\x1b[0m\x07",
    "\x1b]52;c;AAAA\x07",
    "\x9b2J \x00 \x7f",
    "a\r\nb\tc",
    "\u202eevil \u200b\ufeff",
    "\ud800 lone",
    "株式会社みどり 🚀👩\u200d🚀",
    "N" * 64,
)


def picture() -> WatchUpdate:
    """Return a fleet whose every text is a payload."""
    tenants = tuple(
        but(tenant(text, text), customer=text, subscription=text, plan=PlanName(text))
        for text in PAYLOADS
    )
    base = first_picture([but(t, limits=tenant("x").limits) for t in tenants])
    values: dict[TenantId, int | Broken] = {
        t.id: Broken(f"'{t.id}'") if n % 2 else -1500 for n, t in enumerate(tenants)
    }
    events = tuple(
        logged(t, value=t.id[:9], outcome=EventOutcome.REFUSED, message=t.id)
        for t in tenants
    )
    batches = (counters(0, values), *base.counters[1:])
    return replace(base, counters=batches, events=events)


def control_bytes(operator: Operator) -> set[str]:
    """Return the characters on the screen that a terminal would act on."""
    return {
        ch
        for line in operator.lines()
        for ch in line
        if unicodedata.category(ch) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }


SCREENS = {
    "fleet": (),
    "filtered": ("slash", "x"),
    "tenant": ("enter",),
    "events": ("e",),
    "help": ("question_mark",),
    "sort": ("s",),
    "palette": ("ctrl+p", "o", "p"),
    "adjust": ("a",),
    "reset": ("r",),
    "override": ("o",),
    "test event": ("t",),
}


@pytest.mark.parametrize("size", [(80, 24)])
async def test_no_control_byte_reaches_any_screen(size: tuple[int, int]) -> None:
    """Hostile tenants, counters and events are shown, on each screen."""
    async with operating(picture(), of=context(), size=size) as operator:
        for screen, keys in SCREENS.items():
            await operator.press(*keys)

            assert not control_bytes(operator), screen
            while len(operator.app.screen_stack) > 1:
                operator.app.pop_screen()
                await operator.pilot.pause()
            await operator.press("escape")  # drops a filter


async def test_no_control_byte_reaches_the_detail_of_any_tenant() -> None:
    """The panel and the tenant's screen show each hostile tenant."""
    async with operating(picture(), size=(200, 50)) as operator:
        for _ in PAYLOADS:
            await operator.press("enter")
            assert not control_bytes(operator)
            await operator.press("escape", "down")
            assert not control_bytes(operator)


async def test_markup_is_shown_as_it_is_and_fires_nothing() -> None:
    """A click on a name with an action in it is a click on a name."""
    async with operating(picture()) as operator:
        await operator.press("N")
        text = operator.text()
        for shown in ("[bold red]x[/]", "[@click=app.quit]", "[/nope]"):
            assert shown in text

        lines = operator.lines()
        place = next(y for y, line in enumerate(lines) if "[@click=" in line)
        await operator.pilot.click(offset=(6, place))
        await operator.pilot.pause()
        assert operator.app.is_running
        assert operator.app.return_value is None


async def test_a_broken_counter_shows_what_the_key_holds() -> None:
    """`✗ 'abc'` and `✗ a list` stand where the bar would be."""
    owner = tenant("br", "Broken & Sons")
    base = first_picture([owner])
    held = (
        counters(0, {owner.id: Broken("'abc'")}),
        counters(1, {owner.id: Broken("a list")}),
        counters(2, {owner.id: -7}),
    )
    async with operating(replace(base, counters=held)) as operator:
        line = operator.line_with("Broken & Sons")

        assert "✗ 'abc'" in line
        assert "✗ a list" in line
        assert "-7 below 0" in line
        assert "2 unreadable" in operator.lines()[1]


async def test_an_error_with_markup_is_shown_as_it_is() -> None:
    """Notices are made of text, never of markup."""
    async with operating(first_picture([tenant("a")])) as operator:
        operator.app.say("[/nope] [red]x", title="[@click=app.quit]t")

        await operator.sees("[/nope] [red]x")
        assert operator.app.is_running


async def test_hostile_resource_names_are_headings_like_others() -> None:
    """Resources found in Redis carry foreign names, too."""
    odd = replace(RESOURCES[2], name=ResourceName("[b]\x1b[2J"), label="[b]\x1b[2J")
    owner = tenant("a", "Acme")
    base = first_picture([owner])
    batch = replace(base.counters[2], resource=odd)
    update = replace(base, counters=(*base.counters, batch))
    async with operating(update, size=(160, 40)) as operator:
        await operator.sees("[B]␛[2J")
        await operator.press("a")

        assert not control_bytes(operator)


async def test_health_drift_and_pulse_show_what_others_wrote_as_it_is() -> None:
    """Words of workers and of Stripe, names in the last pass, tenants on the wall."""
    async with operating(picture(), size=(160, 44)) as operator:
        words = "".join(PAYLOADS[:10])
        trouble = Trouble(NOW, words, 429, words, words, words)
        worker = replace(WORKER, id=words, problem=words, trouble=trouble)
        assert WELL.stripe is not None
        operator.engine.health.picture = replace(
            WELL,
            stripe=replace(WELL.stripe, trouble=trouble),
            sending=Sending((worker, replace(worker, id="b"))),
        )
        found = [missing(tenant(text, text), 3) for text in PAYLOADS]
        operator.engine.drifting.wrong = found
        held = [replace(row_of(each), held=words) for each in found]
        operator.engine.drifting.passed = replace(passed([]), rows=tuple(held))
        for key, seen in (("p", "nearest"), ("H", "429"), ("D", "held")):
            await operator.press(key)
            await operator.sees(seen)
            assert not control_bytes(operator)
            if key != "D":
                await operator.press("escape")
        await operator.press("r")
        await operator.sees("go out again")
        assert not control_bytes(operator)


AREAS = ((), ("enter",), ("e",), ("c",), ("O",), ("A",))  # fmt: skip
ENDING = {"q", "ctrl+q", "ctrl+c", "ctrl+z", "ctrl+l", "escape"}
OF_A_STORY = ("replay", "resolve", "cancel", "compensate", "undo")
"""What asks for a story that only a ledger or a trail tells: in their own tests."""
SEEN = {
    "AdjustDialog", "AuditScreen", "CatalogueScreen", "ColumnsDialog",
    "DriftScreen", "EventScreen", "EventsScreen",
    "FaultsScreen", "FireDialog", "FleetScreen", "GroupDialog", "HandoffScreen",
    "HealthScreen", "HelpScreen", "BulkOverrideDialog", "OverridesScreen",
    "PulseScreen", "ResetDialog", "SortDialog", "TenantScreen",
}  # fmt: skip


async def test_no_control_byte_reaches_any_screen_that_any_key_opens() -> None:
    """Each action of each screen, found in the code, is done with hostile names."""
    seen: set[str] = set()
    done: set[str] = set()
    async with operating(picture(), of=context(), size=(120, 40)) as operator:
        for area in AREAS:
            await operator.press(*area)
            seen.add(type(operator.app.screen).__name__)
            assert not control_bytes(operator), area
            bound = operator.app.screen.active_bindings
            new = {one.binding.action for one in bound.values()} - done
            keys = [key for key, one in bound.items() if one.binding.action in new]
            done |= {one.binding.action for one in bound.values()}
            depth = len(operator.app.screen_stack)
            for key in keys:
                action = bound[key].binding.action
                opens = "act(" in action
                told = any(each in action for each in OF_A_STORY)
                if key in ENDING or told or not opens:
                    continue
                await operator.press(key)
                seen.add(type(operator.app.screen).__name__)
                assert not control_bytes(operator), (area, key)
                while len(operator.app.screen_stack) > depth:
                    operator.app.pop_screen()
                    await operator.pilot.pause()
                if isinstance(operator.app.focused, Input):
                    await operator.press("escape")
            while len(operator.app.screen_stack) > 1:
                operator.app.pop_screen()
                await operator.pilot.pause()
            await operator.press("escape")
    assert seen >= SEEN, SEEN - seen
