"""The whole fleet as one picture: a tile or a cell a tenant, or a cell for many."""

from __future__ import annotations

from itertools import chain, repeat

from textual.strip import Strip

from meterdeck.core.model.density import Band, band_cells, band_of
from meterdeck.core.model.text import visible
from meterdeck.core.services.fleet import SortKey
from meterdeck.tui.picture import Picture
from meterdeck.tui.pulse import Pulse
from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel

SIGNS = {
    Band.FULL: ("█", Role.HIGH),
    Band.HIGH: ("▇", Role.HIGH),
    Band.NEAR: ("▆", Role.NEAR),
    Band.HALF: ("▅", Role.LOW),
    Band.THIRD: ("▃", Role.LOW),
    Band.LITTLE: ("▂", Role.LOW),
    Band.IDLE: ("▁", Role.LOW),
    Band.UNLIMITED: ("·", Role.MUTED),
}
_WORDS = {
    Band.FULL: "at limit", Band.HIGH: "> 90 %", Band.NEAR: "> 70 %",
    Band.HALF: "> 50 %", Band.THIRD: "> 30 %", Band.LITTLE: "> 10 %",
    Band.IDLE: "≤ 10 %", Band.UNLIMITED: "no limit",
}  # fmt: skip
_TILE, _WIDEST = 19, 40
_CELLS = (8, 6, 4, 3, 2, 1)
"""How wide a tenant's cell may be, its gap with it."""
_GROUP = 10


class PulseMap(Panel):
    """Cells from the fullest to the emptiest: how much of it is red is how bad it is.

    Where there is room each tenant has a tile with its name, always in one place.
    """

    DEFAULT_CSS = "PulseMap { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._picture: Picture | None = None
        self._pulse: Pulse | None = None
        self._order: list[int] = []
        self._names: list[str] = []

    def show(self, picture: Picture, pulse: Pulse) -> None:
        """Show how full the fleet is."""
        self._picture, self._pulse = picture, pulse
        self.stale = picture.stale
        self.repaint()

    def lines(self) -> list[Strip]:
        picture, pulse = self._picture, self._pulse
        if picture is None or pulse is None or not picture.loaded:
            return []
        rows, count = self.size.height - 1, len(picture.fleet)
        across = -(-count // rows) if rows > 0 else 0
        across = max(across, (self.size.width - 2) // _WIDEST) if across else 0
        named = across and (self.size.width - 2) // across >= _TILE
        body = self._tiles(picture, across) if named else self._cells(pulse, rows)
        return [self._legend(pulse.bands), *body][: self.size.height]

    def _legend(self, counts: list[int]) -> Strip:
        style, width = self.palette.style, self.size.width
        muted = style(Role.MUTED, Ground.BAR)
        line = Line().add(" ", muted)
        for band in Band:
            if counts and counts[band] and line.width < width - 16:
                sign, role = SIGNS[band]
                line.add(f"{sign} ", style(role, Ground.BAR))
                line.add(f"{_WORDS[band]} {counts[band]:,}   ", muted)
        return line.strip(width, muted)

    def _tiles(self, picture: Picture, across: int) -> list[Strip]:
        fleet = picture.fleet
        if len(self._order) != len(fleet):
            self._order = fleet.order(SortKey.NAME)
        wide = min((self.size.width - 2) // across, _WIDEST)
        blank = self.palette.style(Role.TEXT)
        down = -(-len(self._order) // across)
        made = []
        for y in range(down):
            line = Line().add(" ", blank)
            for row in self._order[y::down]:
                self._tile(line, picture, row, wide)
            made.append(line.strip(self.size.width, blank))
        return made

    def _tile(self, line: Line, picture: Picture, row: int, wide: int) -> None:
        percent, style = picture.fleet.worst(row), self.palette.style
        sign, role = SIGNS[band_of(percent)]
        paint = style(role)
        line.add(f"{sign} ", paint)
        name = visible(picture.fleet.tenant(row).name, 60)
        line.field(name, wide - 9, style(Role.TEXT if percent > 70 else Role.MUTED))
        said = f"{min(percent, 9999)}%" if percent >= 0 else "∞"
        line.field(said, 5, paint, Align.RIGHT).add("  ", paint)

    def _cells(self, pulse: Pulse, rows: int) -> list[Strip]:
        total, across = sum(pulse.bands), self.size.width - 2
        if not total or rows < 1 or across < 1:
            return []
        for wide in _CELLS:
            if across // wide * rows >= total:
                return self._rows(pulse.bands, rows, across // wide, wide)
        if rows < 2:  # none to spare for words
            return self._rows(pulse.bands, rows, across, 1)
        # One line says how many tenants a cell stands for.
        many = total / ((rows - 1) * across)
        said = self._said(f"a cell stands for {many:.1f} tenants")
        return [*self._rows(pulse.bands, rows - 1, across, 1), said]

    def _rows(
        self, counts: list[int], rows: int, across: int, wide: int
    ) -> list[Strip]:
        style, blank = self.palette.style, self.palette.style(Role.TEXT)
        cells = band_cells(counts, rows * across)
        bands = list(
            chain.from_iterable(
                repeat(band, count) for band, count in zip(Band, cells, strict=True)
            )
        )
        made = []
        for start in range(0, len(bands), across):
            line = Line().add(" ", blank)
            for band in bands[start : start + across]:
                sign, role = SIGNS[band]
                gap = 1 if wide > 1 else 0
                line.add(sign * (wide - gap) + " " * gap, style(role))
            made.append(line.strip(self.size.width, blank))
        return made

    def _said(self, text: str) -> Strip:
        muted = self.palette.style(Role.MUTED)
        line = align_right(Line(), text, self.size.width, muted)
        return line.strip(self.size.width, muted)
