"""What stands in the cells of the tenant table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from meterdeck.core.model.quantity import short_quantity
from meterdeck.core.model.usage import (
    Broken,
    LimitSource,
    ResourceKind,
    TenantStatus,
)
from meterdeck.core.services.fleet import SortKey
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Level, Line, bar, level_at, sparkline
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.widgets.table_layout import MARKER, Layout

ROOMY = 17
"""From this width on, a resource's cell has room for the word FULL."""
SHARE = 5
"""Width of the number in front of a bar."""
_STATUS_ROLES = {
    TenantStatus.ACTIVE: Role.MUTED,
    TenantStatus.TRIALING: Role.ACCENT,
    TenantStatus.PAST_DUE: Role.NEAR,
    TenantStatus.INCOMPLETE: Role.NEAR,
    TenantStatus.UNPAID: Role.HIGH,
}


def status_role(status: TenantStatus) -> Role:
    """Return the role a status is painted in."""
    return _STATUS_ROLES.get(status, Role.MUTED)


@dataclass(frozen=True, slots=True)
class Order:
    """What the table is sorted by: a `SortKey` or a resource's name."""

    key: str = SortKey.WORST
    reverse: bool = False

    @property
    def mark(self) -> str:
        """The direction: `▼` is the usual one, what needs attention first."""
        return "▲" if self.reverse else "▼"


class Cells(Protocol):
    """One column group of the table."""

    def heading(self, width: int, order: Order, palette: Palette) -> Line:
        """Return the group's heading."""

    def key_at(self, x: int) -> str:
        """Return what a click on the heading at `x` sorts by."""

    def cell(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        """Return the group's cells of a row of the fleet."""


@dataclass(frozen=True, slots=True)
class _Titles:
    """Writes headings; the one that sorts is marked."""

    order: Order
    palette: Palette

    def add(self, line: Line, text: str, width: int, key: str) -> None:
        mine = self.order.key == key
        role = Role.BRIGHT if mine else Role.MUTED
        style = self.palette.style(role, bold=mine)
        line.field(f"{text} {self.order.mark}" if mine else text, width, style)


class IdentityCells:
    """Name, id, plan and status."""

    def __init__(self, picture: Picture, layout: Layout) -> None:
        self._fleet = picture.fleet
        self._layout = layout

    def heading(self, width: int, order: Order, palette: Palette) -> Line:
        layout, titles = self._layout, _Titles(order, palette)
        line = Line().add(" " * MARKER, palette.style(Role.MUTED))
        worst = order.key == SortKey.WORST
        name = "TENANT · worst" if worst else "TENANT"
        key = SortKey.WORST if worst else SortKey.NAME
        titles.add(line, name, layout.name, key)
        line.field("ID", layout.id, palette.style(Role.MUTED))
        titles.add(line, "PLAN", layout.plan, SortKey.PLAN)
        titles.add(line, "STATUS", layout.status, SortKey.STATUS)
        return line

    def key_at(self, x: int) -> str:
        layout = self._layout
        if x >= MARKER + layout.name + layout.id + layout.plan:
            return SortKey.STATUS
        if x >= MARKER + layout.name + layout.id:
            return SortKey.PLAN
        return SortKey.NAME

    def cell(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        layout, tenant = self._layout, self._fleet.tenant(row)
        on = ground is Ground.CURSOR
        name = palette.style(Role.BRIGHT if on else Role.TEXT, ground, bold=on)
        muted = palette.style(Role.MUTED, ground)
        line = Line()
        if on:
            line.add("▌ ", palette.style(Role.ACCENT, ground))
        else:
            line.add("  ", name)
        line.field(tenant.name, layout.name - 1, name).add(" ", muted)
        if layout.id:
            line.field(tenant.id, layout.id - 1, muted).add(" ", muted)
        if layout.plan:
            line.field(tenant.plan or "–", layout.plan - 1, muted).add(" ", muted)
        if layout.status:
            style = palette.style(status_role(tenant.status), ground)
            line.field(phrases.status_word(tenant.status), layout.status, style)
        return line


class ResourceCells:
    """One resource: bar, share and sign; a count where there is no limit."""

    def __init__(self, picture: Picture, column: int) -> None:
        self._fleet = picture.fleet
        self._column = column

    def heading(self, width: int, order: Order, palette: Palette) -> Line:
        resource = self._fleet.resources[self._column]
        line = Line()
        label = resource.label.upper()
        _Titles(order, palette).add(line, label, width, str(resource.name))
        return line

    def key_at(self, x: int) -> str:
        return str(self._fleet.resources[self._column].name)

    def cell(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        used = self._fleet.used(row, self._column)
        limit = self._fleet.limit(row, self._column)
        if isinstance(used, Broken):
            style = palette.style(Role.HIGH, ground)
            return Line().field(f"✗ {used.holds}", width - 2, style)
        scale = self._fleet.resources[self._column].scale
        if limit.units is None:
            kind = self._fleet.resources[self._column].kind
            estimated = kind is ResourceKind.UNIQUE
            return _count(used, scale, width, ground, palette, estimated=estimated)
        rule = self._fleet.rule(row, self._column)
        level = level_at(used, limit.units, rule)
        percent = self._fleet.percent(row, self._column) or 0
        over = limit.source is LimitSource.OVERRIDE
        line = _share(percent, level, width, ground, palette, overridden=over)
        if used is not None and used < 0:
            line = Line().field(
                f"{short_quantity(used, scale)} below 0",
                width - 2,
                palette.style(Role.NEAR, ground),
            )
        return line


def _count(
    used: int | None,
    scale: int,
    width: int,
    ground: Ground,
    palette: Palette,
    *,
    estimated: bool,
) -> Line:
    text = "–" if used is None else short_quantity(used, scale)
    if estimated and used:
        text = f"≈{text}"
    room = max(SHARE if width >= ROOMY else SHARE - 1, len(text))
    line = Line().field(text, room, palette.style(Role.TEXT, ground), Align.RIGHT)
    return line.add(" ∞", palette.style(Role.MUTED, ground))


def _share(
    percent: int,
    level: Level,
    width: int,
    ground: Ground,
    palette: Palette,
    *,
    overridden: bool,
) -> Line:
    """Return number, bar, sign: the number first, because it moves most often and
    everything left of a change is sent again.
    """
    roomy = width >= ROOMY
    share = f"{percent}%" if percent < 1000 else f"×{min(percent // 100, 999)}"
    beyond = level in (Level.FULL, Level.OVER)
    if beyond and not roomy:
        share = level.sign
    role = Role.TEXT if level is Level.CALM else level.role
    style = palette.style(
        Role.MUTED if percent <= 0 else role, ground, bold=level is Level.FULL
    )
    line = Line().field(share, SHARE if roomy else SHARE - 1, style, Align.RIGHT)
    mark = level.sign or ("±" if overridden else "")
    if not roomy:
        mark = "" if beyond else mark
    length = width - line.width - (7 if roomy else 5)
    full, rest = bar(percent, length)
    fill = palette.style(level.role, ground)
    line.add(f" {full}", fill)
    line.add(rest, palette.style(Role.TRACK, ground))
    if mark:
        line.add(f" {mark}", style if mark != "±" else palette.style(role, ground))
    return line


class TailCells:
    """Trend and reset date."""

    def __init__(self, picture: Picture, layout: Layout) -> None:
        self._picture = picture
        self._layout = layout

    def heading(self, width: int, order: Order, palette: Palette) -> Line:
        line, titles = Line(), _Titles(order, palette)
        titles.add(line, "TREND", self._layout.trend, SortKey.TREND)
        titles.add(line, "RESETS", self._layout.reset, SortKey.RESET)
        return line

    def key_at(self, x: int) -> str:
        return SortKey.TREND if x < self._layout.trend else SortKey.RESET

    def cell(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        fleet, layout = self._picture.fleet, self._layout
        line, muted = Line(), palette.style(Role.MUTED, ground)
        if layout.trend:
            samples = list(fleet.trend(row))[-8:]
            text = sparkline(samples) if any(samples) else ""
            spark = palette.style(Role.SPARK, ground) if text else muted
            line.field(text, 8, spark, Align.RIGHT).add("  ", muted)
        if layout.reset:
            line.field(self._reset(row), layout.reset, muted)
        return line

    def _reset(self, row: int) -> str:
        fleet = self._picture.fleet
        if fleet.at is None or not fleet.columns:
            return "–"
        column = max(fleet.worst_column(row), 0)
        resets_at = fleet.resets_at(row, column)
        return "never" if resets_at is None else phrases.day(resets_at, fleet.at)
