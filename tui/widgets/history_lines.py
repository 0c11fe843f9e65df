"""Histories in lines: one for each resource, and whatever there is of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.style import Style
from textual.strip import Strip

from meterdeck.core.model.history import DAY, HOUR, Rate, Stretch
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.tenant_history import PastPeriod, ResourceHistory, Source
from meterdeck.core.model.usage import Broken
from meterdeck.tui import history_words, phrases, usage_curve
from meterdeck.tui.render import Align, Line, bar, level_of
from meterdeck.tui.themes import Ground, Palette, Role
from meterdeck.tui.usage_curve import Part

LABEL, _RATE, _LASTS = 14, 15, 17
_SPARK = 32
_BAR = 28
_PARTS = {
    Part.LABEL: Role.MUTED,
    Part.AXIS: Role.FAINT,
    Part.LIMIT: Role.NEAR,
    Part.LINE: Role.SPARK,
    Part.FORECAST: Role.MUTED,
}


class HistoryLines:
    """Paints histories for a width and a ground."""

    def __init__(self, palette: Palette, width: int, ground: Ground) -> None:
        self._palette = palette
        self._width = width
        self._ground = ground

    def _style(self, role: Role, ground: Ground | None = None) -> Style:
        return self._palette.style(role, ground or self._ground)

    def _strip(self, line: Line, ground: Ground | None = None) -> Strip:
        return line.strip(self._width, self._style(Role.TEXT, ground))

    # -- a line a resource -------------------------------------------------------

    def summary(self, history: ResourceHistory, *, chosen: bool = False) -> Strip:
        """Return a resource's burn rates, how long its limit lasts, and its days."""
        ground = Ground.CURSOR if chosen else self._ground
        muted = self._style(Role.MUTED, ground)
        mark = ("▌", Role.ACCENT) if chosen else (" ", Role.TEXT)
        line = Line().add(mark[0], self._style(mark[1], ground))
        line.field(history.resource.label, LABEL, self._style(Role.BRIGHT, ground))
        line.add(" ", muted)
        for rate, asked in ((history.last_hour, HOUR), (history.last_day, DAY)):
            self._rate(line, history, rate, asked, ground)
        room = self._width - line.width - 1
        if room >= _SPARK // 2:
            drawn = history_words.spark(history.days())[-min(room, _SPARK) :]
            line.add(drawn, self._style(Role.SPARK, ground))
        return self._strip(line, ground)

    def _rate(
        self,
        line: Line,
        history: ResourceHistory,
        rate: Rate | None,
        asked: timedelta,
        ground: Ground,
    ) -> None:
        words = history_words.rate_words(rate, asked, history.resource.scale)
        known = Role.TEXT if rate is not None else Role.MUTED
        line.field(words, _RATE, self._style(known, ground), Align.RIGHT)
        line.add("  ", self._style(known, ground))
        lasts = history_words.lasts_words(history, rate)
        soon = history.until_limit(rate) is not None and history.usage.remaining != 0
        role = Role.NEAR if soon else Role.MUTED
        line.field(lasts, _LASTS - 2, self._style(role, ground))

    def heading(self, title: str, said: str = "") -> Strip:
        """Return the title above the lines, with the names of their columns."""
        ground = Ground.BAR
        muted = self._style(Role.MUTED, ground)
        line = Line().add(" ", muted)
        line.field(title, LABEL, self._palette.style(Role.BRIGHT, ground, bold=True))
        line.add(" ", muted)
        for name in ("last hour", "last 24 h"):
            line.field(name, _RATE, muted, Align.RIGHT).add(" " * _LASTS, muted)
        room = self._width - line.width - 1
        if room >= _SPARK // 2:
            line.field(said, room, muted)
        return self._strip(line, ground)

    # -- one resource ------------------------------------------------------------

    def curve(self, history: ResourceHistory, height: int) -> list[Strip]:
        """Return the chart of the running period, in `height` lines at most."""
        rows = usage_curve.draw(history, width=self._width - 2, height=height)
        made = []
        for row in rows:
            line = Line().add(" ", self._style(Role.TEXT))
            for piece in row:
                line.add(piece.text, self._style(_PARTS[piece.part]))
            made.append(self._strip(line))
        return made

    def expected(self, history: ResourceHistory) -> Strip:
        """Return what the period will come to, and how its limit stands to that."""
        scale, limit = history.resource.scale, history.usage.limit.units
        expected = history.at_end
        said = "" if history.usage.period.endless else "at its end: not known yet"
        role = Role.MUTED
        if expected is not None:
            said = (
                f"~{group_quantity(expected, scale)} at its end, as the last day went"
            )
            if limit and expected > limit:
                over = (expected - limit) * 100 // limit
                said, role = f"{said}: {over} % over its limit", Role.NEAR
        words = [history_words.since_words(history, history.now), history.problem]
        if history.by_stripe:
            words[0] = "days by Stripe's summaries: no samples were taken"
        line = Line().add(" ", self._style(Role.TEXT)).add(said, self._style(role))
        for text in filter(None, words):
            gap = "  · " if line.width > 1 else ""
            line.add(f"{gap}{text}", self._style(Role.MUTED))
        return self._strip(line)

    def row(self, label: str, stretches: Sequence[Stretch], scale: int) -> Strip:
        """Return stretches as columns, with the most that was used in one of them."""
        muted = self._style(Role.MUTED)
        line = Line().add(" ", muted).field(label, LABEL, muted).add(" ", muted)
        room = self._width - line.width - 24
        shown = stretches[-room:] if room > 0 else []
        line.add(history_words.spark(shown), self._style(Role.SPARK))
        known = [each for each in stretches if each.units is not None]
        if known:
            most = max(known, key=lambda each: each.units or 0)
            when = phrases.day(most.start, stretches[-1].end)
            if stretches[-1].end - stretches[0].start <= DAY + HOUR:
                when = phrases.clock(most.start)[:5]
            words = f"  most {group_quantity(round(most.units or 0), scale)}, {when}"
            if most.units and line.width + len(words) < self._width:
                line.add(words, muted)
        return self._strip(line)

    def past(self, past: PastPeriod, history: ResourceHistory) -> Strip:
        """Return a period that is over: its bar, sum and share of the limit."""
        muted, text = self._style(Role.MUTED), self._style(Role.TEXT)
        line = Line().add(" ", muted).field(_name(past, history), LABEL, muted)
        line.add(" ", muted)
        if isinstance(past.used, Broken):
            words = f"✗ {past.used.holds}, not a whole number"
            return self._strip(line.field(words, self._width - line.width - 1, muted))
        percent, scale = past.percent, history.resource.scale
        length = max(min(self._width - LABEL - 46, _BAR), 6)
        if percent is None:
            line.add(" " * length + "     ∞  ", muted)
        else:
            full, rest = bar(percent, length)
            line.add(full, self._style(level_of(percent).role))
            line.add(rest, self._style(Role.TRACK))
            line.add(f"{percent:>5}%  ", text)
        line.add(group_quantity(past.used, scale), text)
        if past.limit is not None:
            line.add(f" of {group_quantity(past.limit, scale)}", muted)
        for words in _said(past):
            if line.width + len(words) + 3 < self._width:
                line.add(f" · {words}", muted)
        return self._strip(line)


def _name(past: PastPeriod, history: ResourceHistory) -> str:
    return f"from {phrases.day(past.period.start, history.now)}"


def _said(past: PastPeriod) -> list[str]:
    said = []
    if past.limit is not None and not past.limit_then:
        said.append("today's limit")
    if past.source is Source.STRIPE:
        said.append("by Stripe")
    return said
