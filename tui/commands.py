"""The command palette: every action of the screen by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible
from meterdeck.tui.actions import offered
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.themes import THEMES

if TYPE_CHECKING:
    from meterdeck.tui.console import ConsoleApp

Command = tuple[str, str, Callable[[], object]]
TENANTS_SHOWN = 12


def _prompt(name: Content, does: str) -> Content:
    gap = " " * max(24 - name.cell_length, 2)
    return Content.assemble(" ", name, gap, (does, "not bold $md-muted"))


class ActionCommands(Provider):
    """Actions that the context allows, themes, and tenants by name."""

    def _commands(self) -> Iterator[Command]:
        app = cast("ConsoleApp", self.app)
        screen = self.screen
        if isinstance(screen, AreaScreen):
            context = app.picture.context if app.picture else None
            for action in offered(screen.AREA, context):
                if action.id != "palette":
                    does = partial(screen.action_act, action.id)
                    name = f"{action.label} ({app.keys.label(action)})"
                    yield name, action.does, does
        for theme in THEMES:
            name = theme.name.removeprefix("meterdeck-")
            yield (
                f"theme {name}",
                "Change the colours",
                partial(self._dress, theme.name),
            )

    def _dress(self, theme: str) -> None:
        cast("ConsoleApp", self.app).dress(theme)

    async def discover(self) -> Hits:
        for name, does, run in self._commands():
            yield DiscoveryHit(_prompt(Content(name), does), run, text=name)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, does, run in self._commands():
            # Words only in what it does: letters strewn over a sentence match all.
            score = matcher.match(name) or 0.3 * (query.casefold() in does.casefold())
            if score > 0:
                prompt = _prompt(matcher.highlight(name), does)
                yield Hit(score, prompt, run, text=name)
        for name, run in self._tenants(query):
            yield Hit(0.2, _prompt(Content(name), "Open this tenant"), run, text=name)

    def _tenants(self, query: str) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield a few tenants that contain the query; never all to the matcher."""
        app = cast("ConsoleApp", self.app)
        if app.picture is None or len(query) < 2:
            return
        fleet = app.picture.fleet
        try:
            rows = fleet.search(query)[:TENANTS_SHOWN]
        except BadInput:  # no filter, so no tenant's name
            return
        for row in rows:
            tenant = fleet.tenant(row)
            yield visible(tenant.name, 64), partial(app.open_tenant, tenant.id)
