"""What every screen lets one take along: copies, exports, Stripe's dashboard."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from meterdeck.core.errors import BadInput, MeterdeckError
from meterdeck.core.model.dashboard import dashboard_address
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.tui import clipboard
from meterdeck.tui.dialogs.taking import Copyable, CopyMenu, ExportMenu, Form
from meterdeck.tui.taking.files import stem_of, write_new
from meterdeck.tui.taking.sheets import Sheet, as_csv, as_json
from meterdeck.tui.terminal import has_browser
from meterdeck.tui.widgets.record_list import RecordList

if TYPE_CHECKING:
    from meterdeck.tui.console import ConsoleApp


class Taking:
    """The actions `copy`, `export` and `browse` of one screen.

    Args:
        screen: What is on top.
        tenant: The tenant that the screen is about now.
    """

    def __init__(self, screen: Screen[None], tenant: TenantId | None) -> None:
        self._screen = screen
        self._console = cast("ConsoleApp", screen.app)
        self._picture = self._console.picture
        row = self._picture.fleet.row_of(tenant) if self._picture and tenant else None
        self._tenant: Tenant | None = None
        if self._picture is not None and row is not None:
            self._tenant = self._picture.fleet.tenant(row)

    # -- copying -----------------------------------------------------------------

    def copy(self, more: list[Copyable]) -> None:
        """Let the user choose what to copy: `more`, or what names the tenant."""
        offered = [one for one in more + self._names() if one[1]]
        if not offered:
            self._console.say("nothing to copy here", severity="warning")
            return
        self._console.push_screen(CopyMenu(offered), self._copied)

    def _names(self) -> list[Copyable]:
        tenant, picture = self._tenant, self._picture
        if tenant is None or picture is None:
            return []
        keys = [
            (
                f"key of {visible(str(resource.name), 11)}",
                self._counter_key(tenant.id, column),
            )
            for column, resource in enumerate(picture.fleet.resources[:4])
        ]
        return [
            ("tenant id", tenant.id),
            ("name", tenant.name),
            ("customer id", tenant.customer),
            ("subscription id", tenant.subscription),
            *keys,
        ]

    def _counter_key(self, tenant: TenantId, column: int) -> str:
        assert self._picture is not None
        fleet, layout = self._picture.fleet, self._picture.context.redis.layout
        row = fleet.row_of(tenant)
        if row is None:
            return ""
        usage = fleet.usage(row, column)
        key = layout.counter(tenant, usage.resource, usage.period.label)
        return key.decode("utf-8", "surrogateescape")

    def _copied(self, chosen: Copyable | None) -> None:
        if chosen is None:
            return
        name, text = chosen[0], clipboard.harmless(chosen[1])
        if not clipboard.fits(text):
            self._console.say(
                f"{name} is more than {clipboard.LARGEST:,} bytes;"
                " terminals do not take so much, export it instead",
                severity="warning",
            )
            return
        self._console.put_on_clipboard(text)
        self._console.say(
            f"{visible(text, 120)}: sent to the terminal's clipboard",
            title=f"copied {name}",
        )

    # -- exporting ---------------------------------------------------------------

    def export(self, sheet: Sheet | None) -> None:
        """Let the user choose how to write what is shown.

        The picture is taken now, without the menu on it.
        """
        picture = self._console.export_screenshot(title=self._console.title or "")
        lines = len(sheet.rows) if sheet is not None else None

        def chosen(form: Form | None) -> None:
            if form is not None:
                self._written(form, sheet, picture)

        self._console.push_screen(ExportMenu(lines), chosen)

    def export_as(self, name: str, sheet: Sheet | None) -> None:
        """Write what is shown in the form of that name.

        Raises:
            BadInput: There is no such form, or no list to write in it.
        """
        forms = [str(form) for form in Form]
        if name.lower() not in forms:
            raise BadInput(f"export as one of: {', '.join(forms)}")
        form = Form(name.lower())
        if sheet is None and form is not Form.SVG:
            raise BadInput("this screen has no list; export it as svg")
        picture = self._console.export_screenshot(title=self._console.title or "")
        self._written(form, sheet, picture)

    def _written(self, form: Form, sheet: Sheet | None, picture: str) -> None:
        context = self._picture.context.name if self._picture else "console"
        at = self._console.now()
        what = sheet.name if sheet is not None else type(self._screen).__name__
        match form:
            case Form.CSV if sheet is not None:
                text = as_csv(sheet)
            case Form.JSON if sheet is not None:
                text = as_json(sheet, context=visible(context), at=at)
            case _:
                text = picture
        stem = stem_of(context, what.removesuffix("Screen").lower(), at)
        try:
            path = write_new(Path.cwd(), stem, f".{form}", text)
        except MeterdeckError as error:
            self._console.say(str(error), title="export", severity="error")
            return
        self._console.say(f"{path} on {os.uname().nodename}", title="exported")

    def sheet_of_list(self, name: str) -> Sheet | None:
        """Return the screen's list of records, whole; None where it has none."""
        lists = [each for each in self._screen.query(RecordList) if each.display]
        return lists[0].sheet(name) if lists else None

    # -- the dashboard -----------------------------------------------------------

    def browse(self, object_id: str) -> None:
        """Open an object, or the tenant, in Stripe's dashboard.

        Where there is no browser, as over SSH, the address is shown and copied.
        """
        picture, tenant = self._picture, self._tenant
        wanted = object_id or (tenant.customer if tenant is not None else "")
        if picture is None or not wanted:
            self._console.say("nothing here is known to Stripe", severity="warning")
            return
        address = dashboard_address(picture.context, wanted)
        if not address:
            name = visible(picture.context.name)
            self._console.say(
                f"{visible(wanted)} is in {name}, whose Stripe has no dashboard",
                severity="warning",
            )
            return
        if has_browser(self._console.environ) and webbrowser.open(address):
            self._console.say(address, title="opened in the browser")
            return
        self._console.put_on_clipboard(address)
        self._console.say(
            f"{address}  (sent to the terminal's clipboard)", title="in Stripe"
        )
