"""One resource of a tenant in the table: bar, share, sign; a count without a limit."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style

from meterdeck.core.model.quantity import short_quantity
from meterdeck.core.model.usage import Broken, LimitSource, ResourceKind, percent_of
from meterdeck.core.services.fleet import Fleet
from meterdeck.tui.render import Align, Level, Line, bar, level_at, level_of
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.widgets.table_columns import Look

ROOMY = 17
"""From this width on, a resource's cell has room for the word FULL."""
SHARE = 5
"""Width of the number in front of a bar."""
_AMOUNTS = 24
"""From this width on, numbers without a bar are used and limit, and the share."""


@dataclass(frozen=True, slots=True)
class _Share:
    """A share of a limit, and how it is painted."""

    percent: int
    level: Level
    overridden: bool
    ground: Ground
    palette: Palette

    @property
    def text(self) -> str:
        percent = self.percent
        return f"{percent}%" if percent < 1000 else f"×{min(percent // 100, 999)}"

    @property
    def style(self) -> Style:
        """The style of number and sign."""
        role = Role.TEXT if self.level is Level.CALM else self.level.role
        role = Role.MUTED if self.percent <= 0 else role
        return self.palette.style(role, self.ground, bold=self.level is Level.FULL)

    def add_mark(self, line: Line) -> Line:
        """Append the sign; `±` where the limit is an override's."""
        if self.level.sign:
            line.add(f" {self.level.sign}", self.style)
        elif self.overridden:
            line.add(" ±", self._plain)
        return line

    @property
    def _plain(self) -> Style:
        role = Role.TEXT if self.level is Level.CALM else self.level.role
        return self.palette.style(role, self.ground)

    def add_bar(self, line: Line, before: str, length: int) -> Line:
        """Append a bar, `before` in its colour in front of it."""
        full, rest = bar(self.percent, length)
        line.add(f"{before}{full}", self.palette.style(self.level.role, self.ground))
        return line.add(rest, self.palette.style(Role.TRACK, self.ground))


class ResourceCell:
    """Paints one column of the fleet."""

    def __init__(self, fleet: Fleet, column: int, look: Look = Look.BOTH) -> None:
        self._fleet = fleet
        self._column = column
        self._look = look

    def paint(self, row: int, width: int, ground: Ground, palette: Palette) -> Line:
        """Return the cell of a row, at most `width` cells wide."""
        fleet, column = self._fleet, self._column
        used, limit = fleet.used(row, column), fleet.limit(row, column)
        resource = fleet.columns[column].resource
        if isinstance(used, Broken):
            style = palette.style(Role.HIGH, ground)
            return Line().field(f"✗ {used.holds}", width - 2, style)
        if used is None and not fleet.is_read:
            return Line().field("…", SHARE, palette.style(Role.MUTED, ground))
        if limit.units is None:
            sign = "≈" if resource.kind is ResourceKind.UNIQUE and used else ""
            text = "–" if used is None else sign + short_quantity(used, resource.scale)
            return _count(text, width, ground, palette)
        if used is not None and used < 0:
            words = f"{short_quantity(used, resource.scale)} below 0"
            return Line().field(words, width - 2, palette.style(Role.NEAR, ground))
        share = self._share(row, used or 0, ground, palette)
        return self._painted(share, used or 0, limit.units, width)

    def _share(self, row: int, used: int, ground: Ground, palette: Palette) -> _Share:
        limit = self._fleet.limit(row, self._column)
        assert limit.units is not None
        percent = percent_of(used, limit.units) or 0
        level = level_of(percent)
        if level is Level.FULL:  # how the limit is enforced matters only there
            level = level_at(used, limit.units, self._fleet.rule(row, self._column))
        overridden = limit.source is LimitSource.OVERRIDE
        return _Share(percent, level, overridden, ground, palette)

    def _painted(self, share: _Share, used: int, limit: int, width: int) -> Line:
        if self._look is Look.BAR:
            return _bar(share, width)
        if self._look is Look.BOTH:
            return _both(share, width)
        scale = self._fleet.columns[self._column].resource.scale
        of = f"{short_quantity(used, scale)} / {short_quantity(limit, scale)}"
        return _number(share, width, of)


def _count(text: str, width: int, ground: Ground, palette: Palette) -> Line:
    room = max(SHARE if width >= ROOMY else SHARE - 1, len(text))
    line = Line().field(text, room, palette.style(Role.TEXT, ground), Align.RIGHT)
    return line.add(" ∞", palette.style(Role.MUTED, ground))


def _both(share: _Share, width: int) -> Line:
    """Return number, bar, sign: the number first, because it moves most often and
    everything left of a change is sent again.
    """
    roomy = width >= ROOMY
    beyond = share.level in (Level.FULL, Level.OVER)
    text = share.level.sign if beyond and not roomy else share.text
    room = SHARE if roomy else SHARE - 1
    line = Line().field(text, room, share.style, Align.RIGHT)
    share.add_bar(line, " ", width - line.width - (7 if roomy else 5))
    return line if beyond and not roomy else share.add_mark(line)


def _bar(share: _Share, width: int) -> Line:
    """Return bar and sign; the bar of a narrow one is shorter where it is full."""
    return share.add_mark(share.add_bar(Line(), "", max(width - 7, 2)))


def _number(share: _Share, width: int, of: str) -> Line:
    """Return used and limit where there is room, share and sign."""
    line = Line()
    if width >= _AMOUNTS:
        muted = share.palette.style(Role.MUTED, share.ground)
        line.field(of, width - SHARE - 7, muted, Align.RIGHT)
    room = SHARE if width >= 12 else SHARE - 1
    line.field(share.text, room, share.style, Align.RIGHT)
    beyond = share.level in (Level.FULL, Level.OVER)
    return line if beyond and width < 12 else share.add_mark(line)
