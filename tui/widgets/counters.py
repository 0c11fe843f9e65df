"""A tenant's counters in full: two lines each, or one where there is little room."""

from __future__ import annotations

from rich.style import Style
from textual.strip import Strip

from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.usage import Broken, LimitSource
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Level, Line, bar, level_of
from meterdeck.tui.themes import Ground, Palette, Role

LABEL = 14
_LEVEL_WORDS = {
    Level.CALM: "",
    Level.NEAR: "! near",
    Level.HIGH: "!! over 90 %",
    Level.FULL: "FULL at limit",
}
_RULES = {
    LimitSource.OVERRIDE: "override",
    LimitSource.PLAN: "plan",
    LimitSource.DEFAULT: "default plan",
    LimitSource.NONE: "no rule",
}


class Counters:
    """Paints the counters of one tenant for a width and a ground."""

    def __init__(
        self, picture: Picture, palette: Palette, width: int, ground: Ground
    ) -> None:
        self._picture = picture
        self._fleet = picture.fleet
        self._palette = palette
        self._width = width
        self._ground = ground

    def _style(self, role: Role, *, bold: bool = False) -> Style:
        return self._palette.style(role, self._ground, bold=bold)

    def lines(self, row: int, *, facts: bool = True) -> list[Strip]:
        """Return every counter's lines; `facts` adds the line below each bar."""
        made = []
        for column in range(len(self._fleet.resources)):
            made.append(self._bar_line(row, column))
            if facts:
                made.append(self._fact_line(row, column))
        blank = self._style(Role.TEXT)
        return [line.strip(self._width, blank) for line in made]

    def _bar_line(self, row: int, column: int) -> Line:
        resource = self._fleet.resources[column]
        used = self._fleet.used(row, column)
        limit = self._fleet.limit(row, column)
        line = Line().add(" ", self._style(Role.TEXT))
        line.field(resource.label, LABEL, self._style(Role.BRIGHT))
        line.add(" ", self._style(Role.TEXT))
        if isinstance(used, Broken):
            text = f"✗ {used.holds}, not a whole number"
            return line.field(text, self._width - LABEL - 3, self._style(Role.HIGH))
        amount = self._amount(used or 0, limit.units, resource.scale)
        if limit.units is None or (used is not None and used < 0):
            role = Role.TEXT if limit.units is None else Role.NEAR
            return line.add(amount, self._style(role))
        return self._bar(line, self._fleet.percent(row, column) or 0, amount)

    def _bar(self, line: Line, percent: int, amount: str) -> Line:
        level = level_of(percent)
        word = _LEVEL_WORDS[level]
        room = self._width - line.width - len(amount) - 8
        length = max(min(room - 15, 48), 4)
        full, rest = bar(percent, length)
        line.add(full, self._style(level.role)).add(rest, self._style(Role.TRACK))
        role = Role.TEXT if level is Level.CALM else level.role
        line.add(f"{percent:>5}%  ", self._style(role, bold=level is Level.FULL))
        line.add(amount, self._style(Role.TEXT))
        left = self._width - line.width - 2
        if left >= len(word):
            line.add(f"  {word}", self._style(role))
        return line

    @staticmethod
    def _amount(used: int, units: int | None, scale: int) -> str:
        if units is None:
            return f"{group_quantity(used, scale)} of ∞"
        return f"{group_quantity(used, scale)} / {group_quantity(units, scale)}"

    def _fact_line(self, row: int, column: int) -> Line:
        line = Line().add(" " * (LABEL + 2), self._style(Role.MUTED))
        room = self._width - line.width - 1
        text = ""
        for fact in self._facts(row, column):
            longer = f"{text} · {fact}" if text else fact
            if len(longer) > room:
                break
            text = longer
        return line.field(text, room, self._style(Role.MUTED))

    def _facts(self, row: int, column: int) -> list[str]:
        """Say everything else about a counter, the most useful first."""
        fleet = self._fleet
        usage, now = fleet.usage(row, column), self._picture.now()
        scale = fleet.resources[column].scale
        facts = []
        if usage.remaining is not None:
            facts.append(f"{group_quantity(usage.remaining, scale)} left")
        facts.append(self._rule(row, column))
        end = usage.period.end
        facts.append(f"resets {phrases.day(end, now)} in {phrases.span(end - now)}")
        rate = fleet.rate(row, column)
        if rate > 0:
            facts.append(phrases.rate(rate, scale))
        until = fleet.time_to_limit(row, column)
        if until is not None and usage.remaining:
            facts.append(f"full in {phrases.coarse(until)}")
        return facts

    def _rule(self, row: int, column: int) -> str:
        fleet = self._fleet
        limit, tenant = fleet.limit(row, column), fleet.tenant(row)
        if limit.source is LimitSource.PLAN:
            return f"plan {tenant.plan}" if tenant.plan else "plan"
        if limit.source is LimitSource.DEFAULT:
            return f"default plan {self._picture.context.default_plan}"
        if limit.source is not LimitSource.OVERRIDE:
            return _RULES[limit.source]
        key = (tenant.id, str(fleet.resources[column].name))
        change = self._picture.expiries.get(key)
        if change is None or change.expires_at is None:
            return "override, no expiry"
        left = phrases.span(change.expires_at - self._picture.now())
        return f"override for {left} more"


def align_right(line: Line, text: str, width: int, style: Style) -> Line:
    """Fill `line` so that `text` ends one cell before `width`."""
    return line.field(text, max(width - line.width - 1, 0), style, Align.RIGHT)
