"""A tenant's counters in full: two lines each, or one where there is little room."""

from __future__ import annotations

from datetime import datetime

from rich.style import Style
from textual.strip import Strip

from meterdeck.core.model.periods import Period
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.usage import Broken, LimitSource, ResourceKind
from meterdeck.tui import phrases
from meterdeck.tui.enforcement import beyond_words, rule_words
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Level, Line, bar, level_at
from meterdeck.tui.themes import Ground, Palette, Role

LABEL = 14
_LEVEL_WORDS = {
    Level.CALM: "",
    Level.NEAR: "! near",
    Level.HIGH: "!! over 90",
    Level.OVER: "OVER allowed",
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
        columns = range(len(self._fleet.resources))
        amounts = [self._amount(row, column) for column in columns]
        widest = max((len(amount) for amount in amounts), default=0)
        made = []
        for column, amount in zip(columns, amounts, strict=True):
            made.append(self._bar_line(row, column, amount, widest))
            if facts:
                made.append(self._fact_line(row, column))
        blank = self._style(Role.TEXT)
        return [line.strip(self._width, blank) for line in made]

    def _bar_line(self, row: int, column: int, amount: str, widest: int) -> Line:
        used = self._fleet.used(row, column)
        line = Line().add(" ", self._style(Role.TEXT))
        label = self._fleet.resources[column].label
        line.field(label, LABEL, self._style(Role.BRIGHT))
        line.add(" ", self._style(Role.TEXT))
        if isinstance(used, Broken):
            text = f"✗ {used.holds}, not a whole number"
            return line.field(text, self._width - LABEL - 3, self._style(Role.HIGH))
        if not self._is_known(row, column):
            return line.add(amount, self._style(Role.MUTED))
        percent = self._fleet.percent(row, column)
        words = 16 if self._width >= 90 else 7
        length = max(min(self._width - LABEL - 10 - words - widest, 48), 4)
        if percent is None:
            line.add(" " * (length + 5) + "∞  ", self._style(Role.MUTED))
            return line.add(amount, self._style(Role.TEXT))
        if used is not None and used < 0:
            line.add(" " * (length + 3) + "–    ", self._style(Role.MUTED))
            return line.add(f"{amount}  negative", self._style(Role.NEAR))
        return self._bar(line, row, column, length, amount.ljust(widest))

    def _bar(self, line: Line, row: int, column: int, length: int, amount: str) -> Line:
        standing = self._picture.standing(row, column)
        percent = standing.usage.percent or 0
        level = self._level(standing)
        full, rest = bar(percent, length)
        line.add(full, self._style(level.role)).add(rest, self._style(Role.TRACK))
        role = Role.TEXT if level is Level.CALM else level.role
        share = f"{percent}%" if percent < 100_000 else f"×{percent // 100}"
        line.add(f"{share:>6}  ", self._style(role, bold=level is Level.FULL))
        line.add(amount, self._style(Role.TEXT))
        word, left = _LEVEL_WORDS[level], self._width - line.width - 3
        if level is Level.FULL and standing.usage.limit.units == 0:
            word = "FULL blocked"
        return line.add(
            f"  {word if len(word) <= left else level.sign}", self._style(role)
        )

    def _level(self, standing: Standing) -> Level:
        usage, ends = standing.usage, standing.grace_ends_at
        used = usage.used if isinstance(usage.used, int) else 0
        level = level_at(used, usage.limit.units or 0, standing.rule)
        if level is Level.OVER and ends is not None and ends <= self._picture.now():
            return Level.FULL
        return level

    def _amount(self, row: int, column: int) -> str:
        used, scale = self._fleet.used(row, column), self._scale(column)
        limit = self._fleet.limit(row, column).units
        if isinstance(used, Broken):
            return ""
        if not self._is_known(row, column):
            return "…"
        shown = phrases.used_words(used or 0, self._fleet.resources[column])
        return shown if limit is None else f"{shown} / {group_quantity(limit, scale)}"

    def _is_known(self, row: int, column: int) -> bool:
        """Tell whether a counter was looked for: what is not there yet may be."""
        return self._fleet.is_read or self._fleet.used(row, column) is not None

    def _scale(self, column: int) -> int:
        return self._fleet.resources[column].scale

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
        standing, now = self._picture.standing(row, column), self._picture.now()
        usage, scale = standing.usage, fleet.resources[column].scale
        if not self._is_known(row, column):
            return [_reset(usage.period, now)]
        facts = []
        if standing.over:
            facts.append(f"{group_quantity(standing.over, scale)} over")
        elif usage.remaining is not None:
            facts.append(f"{group_quantity(usage.remaining, scale)} left")
        rule = rule_words(standing.rule) if usage.limit.units is not None else ""
        facts.append(", ".join(filter(None, (self._rule(row, column), rule))))
        if fleet.resources[column].kind is ResourceKind.UNIQUE:
            facts.append(phrases.ERROR_WORDS)
        facts += beyond_words(standing, scale, now)
        facts.append(_reset(usage.period, now))
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


def _reset(period: Period, now: datetime) -> str:
    if period.endless:
        return "does not reset"
    return f"resets {phrases.day(period.end, now)} in {phrases.span(period.end - now)}"


def align_right(line: Line, text: str, width: int, style: Style) -> Line:
    """Fill `line` so that `text` ends one cell before `width`."""
    return line.field(text, max(width - line.width - 1, 0), style, Align.RIGHT)
