"""Widgets painted from finished lines: only a line that differs is sent again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from textual import events
from textual.geometry import NULL_SPACING, Region, Size
from textual.strip import Strip
from textual.widget import Widget

from meterdeck.tui.render import Line, cells
from meterdeck.tui.themes import Ground, Palette, Role, palette


class LineView(Widget):
    """A widget whose subclass draws line `y` whole, `self.size.width` cells wide.

    `repaint` draws lines and sends those that changed; nothing else is ever sent, so
    it may be called as often as data comes.
    """

    DEFAULT_CSS = "LineView { height: 1; }"
    GROUND = Ground.BASE

    stale: bool = False
    """Paint everything dimmed: an old picture."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._lines: list[Strip] = []

    @property
    def size(self) -> Size:
        """The room inside border and padding; as Textual's, without its way up to the
        screen and through the layout, which each line drawn would have to pay for.
        """
        gutter = self.styles.gutter
        width, height = self._size
        return Size(max(0, width - gutter.width), max(0, height - gutter.height))

    @property
    def palette(self) -> Palette:
        """The present theme's palette, dimmed while the picture is stale."""
        return palette(self.app.theme, stale=self.stale)

    @abstractmethod
    def draw(self, y: int) -> Strip:
        """Return line `y`."""

    def blank(self) -> Strip:
        """Return an empty line."""
        style = self.palette.style(Role.TEXT, self.GROUND)
        return Line().strip(self.size.width, style)

    def repaint(self, lines: Iterable[int] | None = None) -> None:
        """Draw lines, all of them by default, and send those that differ."""
        width, height = self.size
        if not self.is_mounted or not width or not height:
            return
        if len(self._lines) != height:
            self._lines = [self.draw(y) for y in range(height)]
            self.refresh()
            return
        changed = []
        for y in range(height) if lines is None else lines:
            if 0 <= y < height and (strip := self.draw(y)) != self._lines[y]:
                same = common_end(strip, self._lines[y])
                self._lines[y] = strip
                changed.append(Region(0, y, width - same, 1))
        if changed:
            self.refresh(*changed)

    def redraw(self) -> None:
        """Forget what was drawn: another theme, another width."""
        self._lines = []
        self.repaint()

    def render_line(self, y: int) -> Strip:
        if not self._lines and self.size.height:
            self._lines = [self.draw(line) for line in range(self.size.height)]
        return self._lines[y] if y < len(self._lines) else self.blank()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return lines as they are; Textual's own way looks for border, padding, tint
        and hatch at each of them, which is half the cost of a frame.
        """
        if self.styles.gutter != NULL_SPACING:
            return super().render_lines(crop)
        width = self.size.width
        strips = [self.render_line(y) for y in crop.line_range]
        strips = [strip.adjust_cell_length(width) for strip in strips]
        if filters := self.get_line_filters():
            _, background = self.background_colors
            for each in filters:
                strips = [strip.apply_filter(each, background) for strip in strips]
        if crop.column_span != (0, width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lines = []


class Panel(LineView):
    """A line view whose lines are made together."""

    @abstractmethod
    def lines(self) -> list[Strip]:
        """Return the lines from above, at most `self.size.height`."""

    def repaint(self, lines: Iterable[int] | None = None) -> None:
        self._made = self.lines() if self.size.width and self.is_mounted else []
        super().repaint(lines)

    def draw(self, y: int) -> Strip:
        if y == 0 and not self._lines:
            self._made = self.lines()
        return self._made[y] if y < len(self._made) else self.blank()


def common_end(new: Strip, old: Strip) -> int:
    """Return how many cells at the end of two strips are the same.

    What is not sent costs nothing; Textual can leave out the end of a line only.
    """
    cells_same = 0
    for one, other in zip(reversed(list(new)), reversed(list(old)), strict=False):
        if one == other:
            cells_same += one.cell_length
            continue
        if one.style == other.style:
            cells_same += _common_text(one.text, other.text)
        break
    return min(cells_same, new.cell_length - 1)


def _common_text(one: str, other: str) -> int:
    cells_same = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        width = cells(left)
        if left != right or not width:  # a combining mark belongs to what is before
            break
        cells_same += width
    return cells_same
