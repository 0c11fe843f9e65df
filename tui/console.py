"""The console as a Textual program: screens, one picture, one engine elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import cast

from textual.command import Provider
from textual.filter import Monochrome, NoColor
from textual.message import Message
from textual.screen import Screen

from meterdeck.core.errors import BadInput, MeterdeckError
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.tui import clipboard
from meterdeck.tui.actions import Action
from meterdeck.tui.actions.keys import Keys, keys_of
from meterdeck.tui.alert_desk import ALERTS_S, AlertDesk, AlertsSeen
from meterdeck.tui.arm_desk import ArmDesk
from meterdeck.tui.asking_desk import ASKING_S, AnswersHeard, AskingDesk
from meterdeck.tui.change_desk import ChangeAnswered, ChangeDesk
from meterdeck.tui.crash import Crash
from meterdeck.tui.fault_desk import LOOK_S, FaultDesk, FaultsSeen, Settled
from meterdeck.tui.heap import settle
from meterdeck.tui.letting_go import let_go
from meterdeck.tui.memory import Memory
from meterdeck.tui.notices import NoticeApp
from meterdeck.tui.picture import LETTERS_COUNTED, Picture
from meterdeck.tui.requests import Request
from meterdeck.tui.role_desk import RoleDesk, RoleTold
from meterdeck.tui.runtime import Ended, Opened, Report, Runtime, tell
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.screens.fleet import FleetScreen
from meterdeck.tui.terminal import over_ssh, sixteen_colours
from meterdeck.tui.themes import ANSI, DARK, THEME_PREFIX, THEMES
from meterdeck.tui.undo_desk import UndoDesk, UndoForeseen


def _commands() -> type[Provider]:
    from meterdeck.tui.commands import ActionCommands  # noqa: PLC0415  # rare

    return ActionCommands


LETTERS_S = 10.0
"""Seconds between two looks at how many letters there are."""

_LARGE = 10_000  # tenants
_SETTLE_S = 2.0  # after the first counters: nobody waits for anything then


class ConsoleApp(NoticeApp):
    """Shows one context and acts on it.

    Args:
        runtime: The engine; started after the first paint.
        actor: Tells who is at the keyboard, for the audit trail.
        environ: What the terminal says of itself.
        memory: What is remembered from one start to the next.
        theme: The theme to begin with, without its prefix; "": by the terminal.
    """

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {_commands}  # noqa: RUF012

    opens = ""
    """The action that is done as soon as the context is known; "" for none."""

    class Reported(Message):
        """The engine has something to say."""

        def __init__(self, report: Report) -> None:
            self.report = report
            super().__init__()

    class Leave(Message):
        """The program is told to end."""

    class Counted(Message):
        """The letters were counted, or could not be."""

        def __init__(self, future: Future[int]) -> None:
            self.future = future
            super().__init__()

    def __init__(
        self,
        runtime: Runtime,
        *,
        title: str = "meterdeck",
        actor: Callable[[], Actor],
        environ: Mapping[str, str] = os.environ,
        memory: Memory | None = None,
        theme: str = "",
    ) -> None:
        let_go()
        super().__init__()
        self.memory = memory if memory is not None else Memory(None)
        if self.no_color:
            # Textual chooses by the theme it starts with, and would paint black on
            # black where ours becomes an ANSI one later.
            self._filters = [
                NoColor() if isinstance(each, Monochrome) else each
                for each in self._filters
            ]
        self.animation_level = "none"
        self.title = title
        self.runtime = runtime
        self.picture: Picture | None = None
        self.ended: BaseException | None = None
        self.crash: Crash | None = None
        self.faults = FaultDesk(self)
        self.alerts = AlertDesk(self)
        self.keys = Keys()
        self.command_lines: list[str] = []
        self.arming = ArmDesk(self)
        self.undoing = UndoDesk(self)
        self.changing = ChangeDesk(self)
        self.asking = AskingDesk(self)
        self.role = RoleDesk(self)
        self._counting = False
        self.actor = actor
        self.environ = environ
        self._jump = over_ssh(environ)
        for each in THEMES:
            self.register_theme(each)
        self.theme = ANSI if sixteen_colours(environ) else DARK
        if theme and not sixteen_colours(environ):
            self.theme = f"{THEME_PREFIX}{theme}"

    def get_default_screen(self) -> Screen[None]:
        return FleetScreen(jump=self._jump)

    def on_mount(self) -> None:
        self.call_after_refresh(self.runtime.start, self.deliver)
        self.set_interval(LETTERS_S, self._count_letters)
        self.set_interval(LOOK_S, self.faults.look)
        self.set_interval(ALERTS_S, self.alerts.look)
        self.set_interval(ASKING_S, self.asking.look)

    # -- what the engine says --------------------------------------------------

    def deliver(self, report: Report) -> None:
        """Take a report from any thread."""
        self.post_message(self.Reported(report))

    def on_console_app_reported(self, message: Reported) -> None:
        match message.report:
            case Opened(context):
                self.picture = Picture(context)
                self._take_keys(context)
                for screen in self.areas():
                    screen.open(self.picture)
                if self.opens and isinstance(self.screen, AreaScreen):
                    self.screen.action_act(self.opens)
            case Ended(error):
                self.ended = error
                code = error.exit_code if isinstance(error, MeterdeckError) else 1
                self.exit(return_code=code)
            case WatchUpdate() as update:
                self._take(update)

    def _take_keys(self, context: Context) -> None:
        """Give actions the keys that the user has configured."""
        if not context.console.keys:
            return
        self.keys = keys_of(context.console.keys)
        self.set_keymap(dict(self.keys.chosen))
        for problem in self.keys.problems:
            self.say(problem, title="keys", severity="warning")

    def _take(self, update: WatchUpdate) -> None:
        if self.picture is not None:
            before = self.picture.loaded
            change = self.picture.apply(update)
            self.role.notice(self.picture)
            if self.picture.loaded and not before:
                self._look_around()
                if len(self.picture.fleet) >= _LARGE:
                    self.set_timer(_SETTLE_S, settle)
            for screen in self.areas():
                # Behind another screen nothing is painted: under a dialog each line
                # that changes would send the whole terminal anew.
                if screen.on_top:
                    screen.take(self.picture, change)
                else:
                    screen.behind = True
                    if change.gone:
                        screen.renumber()
        self.runtime.taken()

    def _look_around(self) -> None:
        """Ask for what stands beside the counters; earlier they would wait for it."""
        self._count_letters()
        self.faults.look()
        self.alerts.look()
        self.asking.look()

    def _count_letters(self) -> None:
        if self.picture is None or self._counting:
            return
        self._counting = True
        future = self.runtime.submit(
            lambda engine: engine.ledger.needing(LETTERS_COUNTED)
        )
        tell(self, future, self.Counted)

    def on_console_app_counted(self, message: Counted) -> None:
        self._counting = False
        error = message.future.exception()
        if error is None and self.picture is not None:
            self.picture.letters = message.future.result()
            for screen in self.areas():
                if screen.on_top:
                    screen.frame(self.picture)
        elif error is not None and not isinstance(error, MeterdeckError):
            raise error

    def on_faults_seen(self, message: FaultsSeen) -> None:
        if self.faults.seen(message) and self.picture is not None:
            for screen in self.areas():
                if screen.on_top:
                    screen.frame(self.picture)
                    screen.faulted(self.picture)

    def on_alerts_seen(self, message: AlertsSeen) -> None:
        if self.alerts.seen(message) and self.picture is not None:
            for screen in self.areas():
                if screen.on_top:
                    screen.frame(self.picture)

    def on_role_told(self, message: RoleTold) -> None:
        if self.role.told(message) and self.picture is not None:
            for screen in self.areas():
                if screen.on_top:
                    screen.frame(self.picture)
                else:
                    screen.behind = True

    def on_answers_heard(self, message: AnswersHeard) -> None:
        self.asking.heard(message)

    def on_settled(self, message: Settled) -> None:
        self.faults.settled(message)

    def areas(self) -> list[AreaScreen]:
        """The screens that have their widgets; a new one shows the picture itself.

        At the end, when widgets go before their screens, there are none any more.
        """
        if not self.is_running:
            return []
        return [
            screen
            for screen in self.screen_stack
            if isinstance(screen, AreaScreen) and screen.is_mounted
        ]

    def focus_on(self, tenants: Sequence[TenantId]) -> None:
        """Have the tenants on the screen read each second."""
        self.runtime.focus(tenants)

    def leave(self) -> None:
        """End from any thread, in order."""
        self.post_message(self.Leave())

    def on_console_app_leave(self) -> None:
        self.exit()

    # -- what the operator asks for --------------------------------------------

    def now(self) -> datetime:
        """Return the servers' time, or this host's before they have answered."""
        return self.picture.now() if self.picture else datetime.now(UTC)

    def put_on_clipboard(self, text: str) -> None:
        """Have the terminal take `text` onto its clipboard, also over SSH.

        Textual's own way does not get through tmux or screen.
        """
        self._clipboard = text
        if self._driver is not None:
            self._driver.write(clipboard.sequence(text, self.environ))

    def open_tenant(self, tenant: TenantId) -> None:
        """Show one tenant on a screen of its own."""
        from meterdeck.tui.screens.tenant import TenantScreen  # noqa: PLC0415  # rare

        self.push_screen(TenantScreen(tenant))

    def to_fleet(self) -> AreaScreen:
        """Leave every screen but the first; return that one."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        return cast("AreaScreen", self.screen)

    def tenant_called(self, name: str) -> TenantId:
        """Return the tenant with this id, customer id or subscription id.

        Else the only one that the filter `name` finds.

        Raises:
            BadInput: There is none, or there are several.
        """
        if self.picture is None:
            raise BadInput("not connected yet; try again when the tenants are there")
        fleet, shown = self.picture.fleet, visible(name, 40)
        row = fleet.row_called(name)
        if row is not None:
            return fleet.tenant(row).id
        found = fleet.search(name)
        if len(found) == 1:
            return fleet.tenant(found[0]).id
        if found:
            raise BadInput(f"{len(found):,} tenants are so called; :tenants {shown}")
        raise BadInput(f"no tenant, customer or subscription is called {shown}")

    def open_dialog(
        self, action: Action, tenant: TenantId | None, *, entry: str | None = None
    ) -> None:
        """Open the dialog of a change that the gate has let pass.

        Args:
            entry: The audit entry that an undo is about; None for the newest.
        """
        from meterdeck.tui.dialogs.opening import dialog_for  # noqa: PLC0415  # rare

        if action.id == "undo" and tenant is not None:
            self.undoing.foresee(tenant, entry)  # what was done outlives the tenant
            return
        row = self.picture.fleet.row_of(tenant) if self.picture and tenant else None
        if self.picture is None or row is None:
            self.say("select a tenant first", severity="warning")
            return
        if not self.picture.fleet.resources:
            self.say("no resource is configured, nothing to change", severity="warning")
            return
        who = self.picture.fleet.tenant(row)
        self.push_screen(dialog_for(action.id, self.picture, who), self.perform)

    def on_undo_foreseen(self, message: UndoForeseen) -> None:
        self.undoing.foreseen(message)

    def perform(self, request: Request | None) -> None:
        """Send a confirmed request, if changes are allowed; see `ChangeDesk`."""
        self.changing.perform(request)

    def on_change_answered(self, message: ChangeAnswered) -> None:
        self.changing.answered(message)

    def look_anew(self) -> None:
        """Have everything read that a change may have changed."""
        self.runtime.poke()
        self._count_letters()
        self.alerts.look()

    def next_theme(self) -> None:
        """Change to the next of our themes."""
        names = [theme.name for theme in THEMES]
        place = names.index(self.theme) if self.theme in names else -1
        self.dress(names[(place + 1) % len(names)])

    def dress(self, theme: str) -> None:
        """Change to a theme, and begin with it from now on."""
        self.theme = theme
        self.memory.put("look", {"theme": theme.removeprefix(THEME_PREFIX)})

    # -- the end ---------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """End with one sentence; Textual's own screen prints local variables."""
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        if self.crash is None:
            self.crash = Crash.of(error)
        self._return_code = 1
        self._close_messages_no_wait()
