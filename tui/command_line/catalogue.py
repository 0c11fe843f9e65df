"""The commands of the `:` line: every action by its name, and some with an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.widgets import Input

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible
from meterdeck.core.services.fleet import SortKey
from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui.actions import ACTIONS, Action
from meterdeck.tui.command_line.commands import Command, Commands
from meterdeck.tui.screens.finding import FindingScreen
from meterdeck.tui.themes import THEMES
from meterdeck.tui.views import Views
from meterdeck.tui.widgets.filter_bar import FilterBar

if TYPE_CHECKING:
    from meterdeck.tui.screens.area import AreaScreen

_ALIASES = {
    "quit": ("q", "q!", "qa", "exit", "x"),
    "help": ("h",),
    "events": ("ev", "log"),
    "catalogue": ("cat", "prices", "meters"),
    "overrides": ("ov", "limits"),
    "audit": ("au", "trail"),
    "drift": ("reconcile", "rec"),
    "health": ("doctor",),
    "alerts": ("al",),
    "requests": ("req",),
    "copy": ("yank",),
    "browse": ("dashboard", "stripe"),
    "handoff": ("shift",),
    "override": ("limit",),
    "fire": ("test",),
}
_UNNAMED = {"palette", "command", "filter", "sort", "export", "theme", "jump", "group"}
"""Actions that have a command with an argument in place of one by their name."""


def commands_of(screen: AreaScreen) -> Commands:
    """Return the commands that make sense on a screen."""
    named = [_of_action(screen, action) for action in ACTIONS]
    known = [command for command in named if command is not None]
    own = {command.name for command in known}
    more = [command for command in _with_argument(screen) if command.name not in own]
    picture = screen.console.picture
    short = dict(picture.context.console.aliases) if picture is not None else {}
    return Commands((*known, *more), short)


def _of_action(screen: AreaScreen, action: Action) -> Command | None:
    here = action.area & screen.AREA
    if not here or action.id in _UNNAMED:
        return None
    return Command(
        action.id.replace("_", "-"),
        action.does,
        lambda argument: _act(screen, action.id),
        _ALIASES.get(action.id, ()),
    )


def _act(screen: AreaScreen, action: str) -> None:
    screen.action_act(action)


def _with_argument(screen: AreaScreen) -> Iterator[Command]:
    yield from _to_tenants(screen)
    yield from _of_views(screen)
    yield from _of_looks(screen)
    yield from _of_table(screen)


def _to_tenants(screen: AreaScreen) -> Iterator[Command]:
    yield Command(
        "tenants",
        "Go back to the tenants; with a filter, only those",
        partial(_to_fleet, screen),
        ("fleet", "t"),
        "FILTER",
        optional=True,
    )
    yield Command(
        "tenant",
        "Open a tenant by its id, customer or subscription",
        partial(_open_tenant, screen),
        ("open", "jump", "j"),
        "ID",
        choices=lambda: _tenant_ids(screen),
    )
    yield Command(
        "filter",
        "Show only what the filter takes; nothing after it shows all",
        partial(_filter, screen),
        ("f", "grep"),
        "FILTER",
        optional=True,
    )


def _of_looks(screen: AreaScreen) -> Iterator[Command]:
    yield Command(
        "theme",
        "Change the colours",
        partial(_dress, screen),
        ("colours", "colors"),
        "THEME",
        choices=lambda: [_theme_name(theme.name) for theme in THEMES],
    )
    yield Command(
        "export",
        "Write what is shown to a file",
        screen.export_as,
        ("save", "w"),
        "FORM",
        choices=lambda: ("csv", "json", "svg"),
    )


def _of_table(screen: AreaScreen) -> Iterator[Command]:
    if hasattr(screen, "sort_by"):
        yield Command(
            "sort",
            "Choose the order of the table",
            screen.sort_by,
            ("order",),
            "KEY",
            choices=lambda: _orders(screen),
        )
    if hasattr(screen, "group_by"):
        yield Command(
            "group",
            "Group tenants, or show one list again",
            screen.group_by,
            ("by",),
            "KEY",
            choices=lambda: [str(by) for by in GroupBy],
        )


def _of_views(screen: AreaScreen) -> Iterator[Command]:
    def names(*, own: bool = False) -> list[str]:
        views = Views(screen.console.memory).all()
        return [view.name for view in views if view.own or not own]

    yield Command(
        "view",
        "Show the tenants as a saved view has them",
        partial(_to_view, screen),
        argument="NAME",
        choices=names,
    )
    if isinstance(screen, FindingScreen):
        yield Command(
            "save-view",
            "Keep filter, order and groups under a name",
            screen.save_view,
            argument="NAME",
            choices=partial(names, own=True),
        )
        yield Command(
            "delete-view",
            "Forget a saved view",
            screen.delete_view,
            argument="NAME",
            choices=partial(names, own=True),
        )


def _to_view(screen: AreaScreen, name: str) -> None:
    Views(screen.console.memory).find(name)  # else this screen would be left for it
    fleet = screen.console.to_fleet()
    if isinstance(fleet, FindingScreen):
        fleet.apply_view(name)


def _orders(screen: AreaScreen) -> Iterable[str]:
    picture = screen.console.picture
    names = [str(key) for key in SortKey]
    if picture is not None:
        names += [str(resource.name) for resource in picture.fleet.resources]
    return names


def _theme_name(name: str) -> str:
    return name.removeprefix("meterdeck-")


def _dress(screen: AreaScreen, name: str) -> None:
    for theme in THEMES:
        if _theme_name(theme.name) == name.lower():
            screen.console.dress(theme.name)
            return
    names = ", ".join(_theme_name(theme.name) for theme in THEMES)
    raise BadInput(f"there is no theme {visible(name, 20)}; there are: {names}")


def _filter(screen: AreaScreen, text: str) -> None:
    bars = list(screen.query(FilterBar))
    if not bars:
        raise BadInput("nothing is filtered on this screen")
    bars[0].query_one(Input).value = text


def _to_fleet(screen: AreaScreen, text: str) -> None:
    fleet = screen.console.to_fleet()
    if text:
        _filter(fleet, text)


def _tenant_ids(screen: AreaScreen) -> Iterator[str]:
    picture = screen.console.picture
    if picture is not None:
        for row in range(len(picture.fleet)):
            yield picture.fleet.tenant(row).id


def _open_tenant(screen: AreaScreen, wanted: str) -> None:
    screen.console.open_tenant(screen.console.tenant_called(wanted))
