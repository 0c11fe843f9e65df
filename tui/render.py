"""From data to lines: the only way text from outside reaches the screen.

Nothing here reads markup. Text is made visible, cut and padded by the cells it takes,
and becomes either a `Line` (for what is painted by line) or a `Content`.
"""

from __future__ import annotations

from enum import Enum

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.standing import lets_pass
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import percent_of
from meterdeck.tui.themes import Role


class Align(Enum):
    """Where text lies in its field."""

    LEFT = "left"
    RIGHT = "right"
    CENTER = "center"


def plain(text: str, limit: int = 200) -> Content:
    """Return foreign text as content that is shown as it is."""
    return Content(visible(text, limit))


def cells(text: str) -> int:
    """Return how many cells of the terminal `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int, align: Align = Align.LEFT) -> str:
    """Return `text`, made visible, in exactly `width` cells; cut text ends in `…`."""
    if width <= 0:
        return ""
    shown = visible(text, 4 * width)
    size = cells(shown)
    if size > width:
        return set_cell_size(shown, width - 1) + "…"
    gap = width - size
    match align:
        case Align.LEFT:
            return shown + " " * gap
        case Align.RIGHT:
            return " " * gap + shown
        case Align.CENTER:
            return " " * (gap // 2) + shown + " " * (gap - gap // 2)


class Line:
    """A line under construction: runs of text, each with its style."""

    __slots__ = ("_runs", "width")

    def __init__(self) -> None:
        self._runs: list[tuple[str, Style]] = []
        self.width = 0

    def add(self, text: str, style: Style) -> Line:
        """Append our own text; text from outside goes through `field`."""
        if text:
            if self._runs and self._runs[-1][1] is style:
                self._runs[-1] = (self._runs[-1][0] + text, style)
            else:
                self._runs.append((text, style))
            self.width += cells(text)
        return self

    def field(
        self, text: str, width: int, style: Style, align: Align = Align.LEFT
    ) -> Line:
        """Append any text in exactly `width` cells."""
        return self.add(fit(text, width, align), style)

    def pad(self, width: int, style: Style) -> Line:
        """Fill with blanks up to `width` cells."""
        return self.add(" " * (width - self.width), style)

    def append(self, other: Line) -> Line:
        """Append all runs of another line."""
        for text, style in other._runs:
            self.add(text, style)
        return self

    def strip(self, width: int, blank: Style) -> Strip:
        """Return the finished line, filled or cut to `width` cells."""
        self.pad(width, blank)
        strip = Strip([Segment(text, style) for text, style in self._runs], self.width)
        return strip if self.width == width else strip.crop(0, width)


class Level(Enum):
    """How close to its limit something is: sign, and the colour's role."""

    CALM = ("", Role.LOW)
    NEAR = ("!", Role.NEAR)
    HIGH = ("!!", Role.HIGH)
    OVER = ("OVER", Role.NEAR)
    """Beyond a limit that lets calls pass."""
    FULL = ("FULL", Role.HIGH)

    @property
    def sign(self) -> str:
        """The sign that says it without colour."""
        return self.value[0]

    @property
    def role(self) -> Role:
        """The role its bar is painted in."""
        return self.value[1]


def level_of(percent: int) -> Level:
    """Return the level of a share: near above 70 %, high above 90 %, full at 100 %."""
    if percent >= 100:
        return Level.FULL
    if percent > 90:
        return Level.HIGH
    return Level.NEAR if percent > 70 else Level.CALM


def bar(percent: int, width: int) -> tuple[str, str]:
    """Return the filled part and the rest of a bar, in half cells.

    Anything above 0 shows at least half a cell; only 100 % fills the bar.
    """
    halves = min(max(percent, 0) * 2 * width // 100, 2 * width)
    if percent > 0:
        halves = max(halves, 1)
    full, half = divmod(halves, 2)
    return "━" * full + "╸" * half, "─" * (width - full - half)


def level_at(used: int | None, limit: int, rule: LimitRule) -> Level:
    """Return how close a counter is to its limit, and whether calls still pass."""
    now = used or 0
    level = level_of(percent_of(now, limit) or 0)
    if level is not Level.FULL or not lets_pass(rule, now, limit):
        return level
    return Level.OVER if now > limit else Level.HIGH


_STEPS = "▁▂▃▄▅▆▇"  # a full block would touch the row above


def sparkline(samples: list[int]) -> str:
    """Return one column a sample, scaled to the largest; nothing used is a dot."""
    top = max(samples, default=0)
    if top <= 0:
        return "·" * len(samples)
    return "".join(
        _STEPS[min(6, sample * 7 // (top + 1))] if sample > 0 else "·"
        for sample in samples
    )
