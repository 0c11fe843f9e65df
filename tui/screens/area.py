"""What the console's screens have in common: header, banner, gate, footer."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, cast

from textual.message import Message
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import AwaitMount, Widget

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import BY_ID, Action, Area, gate, lacking, refusal
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from meterdeck.tui.console import ConsoleApp
    from meterdeck.tui.requests import Request
    from meterdeck.tui.screens.taking import Taking
    from meterdeck.tui.taking.sheets import Sheet
    from meterdeck.tui.widgets.command_line import CommandLine


MOST_LINES = 100
"""Typed commands that ↑ brings back."""
CLOSE_LOOK_S = 2.0
"""Seconds between two close looks at the tenant that a screen is about."""
SELDOM = 3
"""One of so many is taken at a tenant of which the last one found nothing special."""

RESUME_S = 0.02
"""How long painting is held back when a screen comes to the front again, in seconds:
Textual would paint the whole terminal twice.
"""


class AreaScreen(Screen[None]):
    """A screen of the console; `do_<action>` is what an action does on it."""

    AREA: ClassVar[Area]
    # Textual repaints the whole screen when the focus moves; no line of ours needs it.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012

    class Looked(Message):
        """A close look at a tenant was answered."""

        def __init__(
            self, tenant: TenantId, future: Future[tuple[Standing, ...]]
        ) -> None:
            self.tenant = tenant
            self.future = future
            super().__init__()

    _looking = False
    _left_out = 0
    _focused_before: Widget | None = None
    behind = False
    """Updates came while another screen was on top."""

    @property
    def on_top(self) -> bool:
        """Whether this is the screen in front; Textual's `is_current` means more."""
        return self.app.screen is self

    @property
    def console(self) -> ConsoleApp:
        """The program this screen belongs to."""
        return cast("ConsoleApp", self.app)

    def on_mount(self) -> None:
        """Show what there is already."""
        self.set_interval(1.0, self.tick)
        self.set_interval(CLOSE_LOOK_S, self._look_again)
        if self.console.picture is not None:
            self.open(self.console.picture)

    def open(self, picture: Picture) -> None:
        """Show a picture for the first time."""
        self.query_one(KeyBar).show(picture.context, self.console.keys)
        self.frame(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        """Show what an update changed."""
        self.frame(picture)

    def on_screen_resume(self) -> None:
        """Paint once when the screen on top has gone; the first paint never waits."""
        picture = self.console.picture
        if picture is None:
            return
        self.app.delay_update(RESUME_S)
        self.watch_tenants()
        if self.behind:
            self.behind = False
            self.catch_up(picture)

    def watch_tenants(self) -> None:
        """Have the tenants that are shown here read each second, where there are any.

        Asked again each time the screen comes to the front: the one before had others.
        """

    def catch_up(self, picture: Picture) -> None:
        """Show all that came while another screen was on top."""
        self.frame(picture)

    def renumber(self) -> None:
        """Look up rows anew behind another screen: tenants went, rows are others'.

        This does not wait until the screen is in front: its rows are read before, too,
        by a resize or by a dialog that goes.
        """

    def changed(self, tenant: TenantId) -> None:
        """Look again: an action on a tenant was answered."""

    def answered(self, request: Request) -> None:
        """Look again: a request was answered, one way or the other."""

    def resold(self) -> None:
        """Look again: an action on the catalogue was answered."""

    def frame(self, picture: Picture) -> None:
        """Show what every screen has of a picture."""
        header = self.query_one(StatusHeader)
        header.show(picture)
        header.tick(picture)
        self.query_one(Banner).show(picture)
        self.query_one(KeyBar).redden(red=picture.arming.red)

    def tick(self) -> None:
        """Show the time, and ages that grow; once a second."""
        if not self.on_top:
            return
        picture = self.console.picture
        self.query_one(StatusHeader).tick(picture)
        if picture is not None and picture.stale:
            self.query_one(Banner).show(picture)

    def _look_again(self) -> None:
        self._left_out += 1
        picture, subject = self.console.picture, self.subject
        found = picture.standings.get(subject) if picture and subject else None
        plain = found is not None and not any(each.special for each in found)
        if not plain or self._left_out >= SELDOM:
            self.look_closely()

    def look_closely(self) -> None:
        """Ask how the tenant on this screen stands: reserved, beyond its limits."""
        picture, subject = self.console.picture, self.subject
        row = picture.fleet.row_of(subject) if picture and subject else None
        if picture is None or row is None or self._looking or not self.on_top:
            return
        self._looking, self._left_out = True, 0
        tenant = picture.fleet.tenant(row)
        future = self.console.runtime.submit(lambda engine: engine.standings.of(tenant))
        tell(self, future, lambda done: self.Looked(tenant.id, done))

    def on_area_screen_looked(self, message: Looked) -> None:
        self._looking = False
        picture, error = self.console.picture, message.future.exception()
        if error is None and picture is not None:
            picture.look(message.tenant, message.future.result())
            self.looked(picture)
        elif error is not None and not isinstance(error, MeterdeckError):
            raise error

    def looked(self, picture: Picture) -> None:
        """Show what a close look has found."""

    def faulted(self, picture: Picture) -> None:
        """Show what the sandbox's Stripe does wrong on purpose."""

    # -- actions ---------------------------------------------------------------

    @property
    def subject(self) -> TenantId | None:
        """The tenant that actions on this screen are about."""
        return None

    @property
    def entry(self) -> str | None:
        """The audit entry that was chosen on this screen; None for the newest."""
        return None

    def action_act(self, name: str) -> AwaitMount | None:
        """Do an action, if the gate lets it pass; return what is put on the screen.

        Textual waits for it: the next key of a burst would go past it otherwise.
        """
        action = BY_ID[name]
        why = gate(action, self.console.picture)
        if why:
            self._refuse(action, why)
            return None
        if action.writes and name != "undo_last":
            self.ask(action)
            return None
        put: AwaitMount | None = getattr(self, f"do_{name}")()
        return put

    def _refuse(self, action: Action, why: str) -> None:
        picture = self.console.picture
        barred = picture is not None and not refusal(action, picture.context)
        if barred and picture is not None and (right := lacking(action, picture)):
            self.console.role.explain(action, right)
        else:
            self.console.say(why, title=action.label, severity="warning")

    def ask(self, action: Action) -> None:
        """Open the dialog of a change that the gate has let pass."""
        self.console.open_dialog(action, self.subject, entry=self.entry)

    def on_key_bar_pressed(self, message: KeyBar.Pressed) -> None:
        self.action_act(message.action)

    def to_copy(self) -> list[tuple[str, str]]:
        """Return what can be copied here before what names the tenant."""
        return []

    def sheet(self) -> Sheet | None:
        """Return what is shown as a table; None where it is none."""
        return self._taking().sheet_of_list(self.AREA.name or "list")

    def stripe_object(self) -> str:
        """Return the id of what Stripe's dashboard would show; "" for the tenant."""
        return ""

    def _taking(self) -> Taking:
        from meterdeck.tui.screens.taking import Taking  # noqa: PLC0415  # rare

        return Taking(self, self.subject)

    def do_copy(self) -> None:
        self._taking().copy(self.to_copy())

    def do_export(self) -> None:
        self._taking().export(self.sheet())

    def export_as(self, form: str) -> None:
        """Write what is shown to a file, without asking how.

        Raises:
            BadInput: There is no such form.
        """
        self._taking().export_as(form, self.sheet())

    def do_browse(self) -> None:
        self._taking().browse(self.stripe_object())

    def do_help(self) -> None:
        from meterdeck.tui.screens.help import HelpScreen  # noqa: PLC0415  # rare

        picture = self.console.picture
        user = picture.role.user if picture is not None else None
        you = (
            "Redis has not said who you are to it"
            if user is None
            else f"You are Redis user {user.words}"
        )
        self.app.push_screen(HelpScreen(self.active_bindings, you))

    def do_command(self) -> AwaitMount | None:
        return self.type_command()

    def do_jump(self) -> AwaitMount | None:
        return self.type_command("tenant ")

    def type_command(self, begun: str = "") -> AwaitMount | None:
        """Let a command be typed that begins so."""
        from meterdeck.tui.command_line.catalogue import commands_of  # noqa: PLC0415  # rare
        from meterdeck.tui.widgets.command_line import CommandLine  # noqa: PLC0415

        if self.query(CommandLine):
            return None
        self._focused_before = self.focused
        earlier = self.console.command_lines
        return self.mount(CommandLine(commands_of(self), earlier, begun))

    async def on_command_line_entered(self, message: CommandLine.Entered) -> None:
        from meterdeck.tui.widgets.command_line import CommandLine  # noqa: PLC0415  # rare

        line = self.query_one(CommandLine)
        kept = self.console.command_lines
        if message.line.strip() and kept[-1:] != [message.line]:
            kept.append(message.line)
            del kept[:-MOST_LINES]
        if line.run(message.line):
            await self.on_command_line_left()

    async def on_command_line_left(self) -> None:
        from meterdeck.tui.widgets.command_line import CommandLine  # noqa: PLC0415  # rare

        await self.query(CommandLine).remove()
        if self._focused_before is not None and self._focused_before.is_attached:
            self._focused_before.focus()

    def do_palette(self) -> None:
        self.app.action_command_palette()

    def do_undo_last(self) -> None:
        self.console.undoing.take_back_last()

    def do_arm(self) -> None:
        self.console.arming.toggle()

    def do_theme(self) -> None:
        self.console.next_theme()

    def do_redraw(self) -> None:
        self.console.redraw()

    def do_suspend(self) -> None:
        self.app.action_suspend_process()

    def do_quit(self) -> None:
        self.app.exit()

    def do_back(self) -> None:
        self.app.pop_screen()

    def do_catalogue(self) -> None:
        from meterdeck.tui.screens.catalogue import CatalogueScreen  # noqa: PLC0415  # rare

        self.app.push_screen(CatalogueScreen())

    def do_alerts(self) -> None:
        from meterdeck.tui.screens.alerts import AlertsScreen  # noqa: PLC0415  # rare

        self.app.push_screen(AlertsScreen())

    def do_requests(self) -> None:
        from meterdeck.tui.screens.requests import RequestsScreen  # noqa: PLC0415  # rare

        self.app.push_screen(RequestsScreen())

    def do_events(self) -> None:
        from meterdeck.tui.screens.events import EventsScreen  # noqa: PLC0415  # rare

        self.app.push_screen(EventsScreen())

    def do_overrides(self) -> None:
        from meterdeck.tui.screens.overrides import OverridesScreen  # noqa: PLC0415  # rare

        self.app.push_screen(OverridesScreen())

    def do_pulse(self) -> None:
        from meterdeck.tui.screens.pulse import PulseScreen  # noqa: PLC0415  # rare

        self.app.push_screen(PulseScreen())

    def do_drift(self) -> None:
        from meterdeck.tui.screens.drift import DriftScreen  # noqa: PLC0415  # rare

        self.app.push_screen(DriftScreen())

    def do_health(self) -> None:
        from meterdeck.tui.screens.health import HealthScreen  # noqa: PLC0415  # rare

        self.app.push_screen(HealthScreen())

    def do_handoff(self) -> None:
        from meterdeck.tui.screens.handoff import HandoffScreen  # noqa: PLC0415  # rare

        self.app.push_screen(HandoffScreen())

    def do_audit(self) -> None:
        from meterdeck.tui.screens.audit import AuditScreen  # noqa: PLC0415  # rare

        one = self.subject if self.AREA is Area.TENANT else None
        self.app.push_screen(AuditScreen(one))

    def do_faults(self) -> None:
        from meterdeck.tui.screens.faults import FaultsScreen  # noqa: PLC0415  # rare

        self.app.push_screen(FaultsScreen())
