"""The `:` line and chosen keys, on the screen."""

from dataclasses import replace

from tests.tui.pictures import context
from tests.tui.support import fleet_update, operating
from textual.widgets import Button

from meterdeck.core.model.context import ConsoleOptions
from meterdeck.tui.screens.events import EventsScreen
from meterdeck.tui.screens.tenant import TenantScreen
from meterdeck.tui.themes import LIGHT
from meterdeck.tui.widgets.command_line import CommandLine


async def test_commands_go_where_keys_go() -> None:
    """Open, filter, dress; what is wrong stays in the line to be mended."""
    async with operating(fleet_update()) as operator:
        await operator.press("colon")
        await operator.type("ev")
        assert "Show every meter event" in operator.lines()[-1]
        await operator.press("tab", "enter")
        assert isinstance(operator.app.screen, EventsScreen)

        await operator.press("colon")
        await operator.type("tenants northwind")
        await operator.press("enter")
        assert "1–" in operator.lines()[1]
        assert "northwind" in operator.lines()[1]

        await operator.press("colon")
        await operator.type("theme darkk")
        await operator.press("enter")
        assert "there is no theme darkk" in operator.lines()[-1]
        await operator.press("ctrl+u")
        await operator.type("theme light")
        await operator.press("enter")
        assert operator.app.theme == LIGHT
        assert not operator.app.screen.query(CommandLine)

        await operator.press("colon", "up", "up", "up", "escape")
        assert not operator.app.screen.query(CommandLine)


async def test_a_tenant_is_opened_by_what_stripe_calls_it() -> None:
    """Its customer's id; a command passes the gate like a key."""
    async with operating(fleet_update(), of=context(read_only=True)) as operator:
        assert operator.app.picture is not None
        tenant = operator.app.picture.fleet.tenant(3)
        await operator.press("colon")
        await operator.type(f"tenant {tenant.customer}")
        await operator.press("enter")
        screen = operator.app.screen
        assert isinstance(screen, TenantScreen)
        assert screen.subject == tenant.id

        await operator.press("colon")
        await operator.type("adjust")
        await operator.press("enter")
        assert "read-only, nothing was changed" in operator.notices()
        assert not operator.app.screen.query(Button)


async def test_keys_of_the_configuration_take_the_place_of_the_usual_ones() -> None:
    """In bindings, footer and help; what cannot be is said."""
    keys = (("adjust", "f5"), ("evnets", "x"), ("list_down", "ctrl+n"))
    chosen = ConsoleOptions(keys, (("l", "events"),))
    of = replace(context(), console=chosen)
    async with operating(fleet_update(), of=of) as operator:
        assert "F5 adjust" in operator.lines()[-1]
        assert "console.keys.evnets" in operator.notices()
        first = operator.lines()[3]
        await operator.press("ctrl+n")
        assert operator.lines()[3] != first
        await operator.press("a", "j")
        assert not operator.app.screen.query(Button)
        await operator.press("f5")
        assert operator.app.screen.query(Button)
        await operator.press("escape", "colon", "l", "enter")
        assert isinstance(operator.app.screen, EventsScreen)
