"""The selected tenant below the table."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import Counters, align_right
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.table_cells import status_role


class TenantDetail(Panel):
    """Who the tenant is, and each counter in full as far as there is room."""

    GROUND = Ground.PANEL

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.picture: Picture | None = None
        self.tenant: TenantId | None = None

    def show(self, picture: Picture, tenant: TenantId | None) -> None:
        """Show a tenant as it stands in the picture."""
        self.picture, self.tenant = picture, tenant
        self.stale = picture.stale
        self.repaint()

    def lines(self) -> list[Strip]:
        picture = self.picture
        row = picture.fleet.row_of(self.tenant) if picture and self.tenant else None
        if picture is None or row is None:
            return []
        width, height = self.size
        tenant = picture.fleet.tenant(row)
        made = [self._title(tenant), self._identity(tenant)]
        counters = Counters(picture, self.palette, width, self.GROUND)
        roomy = 2 * len(picture.fleet.resources) + 2 <= height
        spaced = 2 * len(picture.fleet.resources) + 3 <= height
        body = counters.lines(row, facts=roomy)
        if spaced:
            made.append(self.blank())
        room = height - len(made)
        if len(body) > room:
            body = [*body[: room - 1], self._more(len(body) - room + 1)]
        return made + body

    def _title(self, tenant: Tenant) -> Strip:
        width = self.size.width
        ground = Ground.BAR
        style = self.palette.style
        words = phrases.status_word(tenant.status)
        tail = f"{visible(tenant.plan or 'no plan', 20)} · {words}"
        line = Line().add(" ", style(Role.TEXT, ground))
        name = visible(tenant.name, 80)
        room = max(width - cells(tail) - 3, 8)
        line.field(name, min(cells(name), room), style(Role.BRIGHT, ground, bold=True))
        align_right(line, tail, width, style(status_role(tenant.status), ground))
        return line.strip(width, style(Role.TEXT, ground))

    def _identity(self, tenant: Tenant) -> Strip:
        width = self.size.width
        muted = self.palette.style(Role.MUTED, self.GROUND)
        parts = [tenant.id, tenant.customer, tenant.subscription]
        known = [part for part in dict.fromkeys(parts) if part]
        if not tenant.customer:
            known.append("not found in Stripe")
        elif not tenant.subscription:
            known.append("no subscription")
        text = " · ".join(visible(part, 64) for part in known)
        return Line().add(" ", muted).field(text, width - 2, muted).strip(width, muted)

    def _more(self, count: int) -> Strip:
        muted = self.palette.style(Role.MUTED, self.GROUND)
        text = f" {phrases.counted(count, 'more line')}: ↵ opens the tenant"
        return Line().add(text, muted).strip(self.size.width, muted)
