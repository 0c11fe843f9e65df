"""Help and command palette are made from what is live."""

from tests.tui.pictures import context
from tests.tui.support import fleet_update, operating
from textual.command import CommandPalette

from meterdeck.tui.actions import ACTIONS, Area, offered
from meterdeck.tui.actions.keys import key_label
from meterdeck.tui.screens.help import HelpScreen, grouped
from meterdeck.tui.screens.tenant import TenantScreen

OPENING = {
    Area.FLEET: (),
    Area.TENANT: ("enter",),
    Area.EVENTS: ("e",),
    Area.EVENT: ("e", "enter"),
    Area.FAULTS: ("F",),
    Area.CATALOGUE: ("c",),
}


async def test_help_lists_every_binding_of_each_screen() -> None:
    """Each key that does something is there, with what it does."""
    async with operating(fleet_update(), size=(120, 120)) as operator:
        for area, keys in OPENING.items():
            await operator.press(*keys)
            active = operator.app.screen.active_bindings
            await operator.press("question_mark")
            assert isinstance(operator.app.screen, HelpScreen)

            text = operator.text()
            for key, entry in active.items():
                assert key_label(key) in text, area
                assert (entry.binding.description or entry.binding.action) in text, area
            operator.app.to_fleet()


async def test_help_names_each_action_once() -> None:
    """Two keys of one action share a line."""
    async with operating(fleet_update()) as operator:
        groups = grouped(operator.app.screen.active_bindings)

        rows = [does for lines in groups.values() for _, does in lines]
        assert len(rows) == len(set(rows))
        assert ("↓ j", "Next tenant") in groups["The list"]


async def test_help_closes_by_the_key_that_opened_it() -> None:
    """`?` again, or Esc."""
    async with operating(fleet_update()) as operator:
        await operator.press("question_mark", "question_mark")

        assert not isinstance(operator.app.screen, HelpScreen)


async def test_the_palette_finds_an_action_and_runs_it() -> None:
    """A few letters of its name, Enter."""
    async with operating(fleet_update()) as operator:
        await operator.press("ctrl+p")
        await operator.type("adjust")
        await operator.sees("Add to, subtract from or set a counter")
        await operator.press("enter")

        await operator.sees("Adjust a counter")


async def test_the_palette_finds_a_tenant() -> None:
    """A tenant's name opens its screen."""
    async with operating(fleet_update()) as operator:
        await operator.press("ctrl+p")
        await operator.type("kestrel")
        await operator.sees("Open this tenant")
        await operator.press("enter")

        await operator.until(lambda: isinstance(operator.app.screen, TenantScreen))
        assert "Kestrel Analytics" in operator.text()


async def test_the_palette_hides_what_a_read_only_context_refuses() -> None:
    """What cannot be done is not offered."""
    async with operating(fleet_update(), of=context(read_only=True)) as operator:
        await operator.press("ctrl+p")
        await operator.sees("Explain this screen")
        assert isinstance(operator.app.screen, CommandPalette)

        text = operator.text()
        for action in ACTIONS:
            assert (action.does in text) <= (not action.writes)


async def test_the_footer_offers_the_actions_that_matter_most_at_80_columns() -> None:
    """Narrow screens keep help and quit."""
    async with operating(fleet_update(), size=(80, 24)) as operator:
        footer = operator.lines()[-1]

        assert "? help" in footer
        assert "q quit" in footer
        assert "a adjust" in footer
        assert len(offered(Area.FLEET, context())) > 10


async def test_a_click_on_the_footer_does_what_it_says() -> None:
    """The last line is made of buttons."""
    async with operating(fleet_update()) as operator:
        place = operator.lines()[-1].index("help")
        await operator.pilot.click(offset=(place, 39))
        await operator.pilot.pause()

        assert isinstance(operator.app.screen, HelpScreen)
