"""What is well and what is not, one line each; the chosen one in full below."""

from __future__ import annotations

import textwrap

from textual.strip import Strip

from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.health_items import SIGNS, Item
from meterdeck.core.model.text import visible
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Line, sparkline
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.record_list import Field, RecordList

ROLES = {
    Severity.OK: Role.GOOD,
    Severity.WARNING: Role.NEAR,
    Severity.FAULT: Role.HIGH,
    Severity.UNKNOWN: Role.MUTED,
}
_FEWEST, _USUAL_MS = 3, 100


class HealthList(RecordList[Item]):
    """All items, in their sections."""

    def __init__(self) -> None:
        super().__init__(
            "Health",
            (
                Field("", 8, self._section, Role.MUTED),
                Field("", 9, _sign, lambda item: ROLES[item.verdict.severity]),
                Field("", 14, lambda item: item.title, Role.TEXT),
                Field("", 12, self._found, _role, grows=True),
            ),
            key=lambda item: item.id,
            empty="looking …",
        )
        self.picture: Picture | None = None
        self._firsts: set[str] = set()

    def show_items(self, items: tuple[Item, ...]) -> None:
        """Show items; the first of each section names it."""
        firsts = {item.section: item.id for item in reversed(items)}
        self._firsts = set(firsts.values())
        bad = [item for item in items if item.verdict.severity is Severity.FAULT]
        look = [item for item in items if item.verdict.severity is Severity.WARNING]
        parts = [(len(bad), "bad"), (len(look), "to look at")]
        said = " · ".join(f"{count} {word}" for count, word in parts if count)
        self.note = said or "all good"
        self.show(items)

    def _section(self, item: Item) -> str:
        return item.section.value.upper() if item.id in self._firsts else ""

    def _found(self, item: Item) -> str:
        found, picture = item.verdict.found, self.picture
        if picture is None:
            return found
        kept = picture.latencies
        samples = {"redis": kept.redis, "stripe": kept.stripe}.get(item.id)
        if not samples or len(samples) < _FEWEST:
            return found
        # Against a usual round trip, so that what is always quick lies low.
        drawn = sparkline([*(round(10 * each) for each in samples), 10 * _USUAL_MS])
        return f"{found}   {drawn[:-1]}"


def _sign(item: Item) -> str:
    sign, word = SIGNS[item.verdict.severity]
    return f"{sign} {word}"


def _role(item: Item) -> Role:
    fine = item.verdict.severity in (Severity.OK, Severity.UNKNOWN)
    return Role.TEXT if fine else ROLES[item.verdict.severity]


class HealthDetail(Panel):
    """The chosen item: all of what was found, why it matters, what to do."""

    DEFAULT_CSS = "HealthDetail { height: 6; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._item: Item | None = None

    def show(self, item: Item | None) -> None:
        """Show an item."""
        self._item = item
        self.repaint()

    def lines(self) -> list[Strip]:
        item = self._item
        if item is None:
            return []
        verdict = item.verdict
        made = [self._title(item)]
        for text, role in (
            (verdict.found, Role.BRIGHT),
            (item.why, Role.MUTED),
            (verdict.mend and f"→ {verdict.mend}", Role.ACCENT),
        ):
            made += self._wrapped(text, role)
        return made[: self.size.height]

    def _title(self, item: Item) -> Strip:
        style = self.palette.style
        line = Line().add(f" {item.title}", style(Role.BRIGHT, Ground.BAR, bold=True))
        role = ROLES[item.verdict.severity]
        line.add(f"   {_sign(item)}", style(role, Ground.BAR))
        return line.strip(self.size.width, style(Role.TEXT, Ground.BAR))

    def _wrapped(self, text: str, role: Role) -> list[Strip]:
        width, style = self.size.width, self.palette.style(role, self.GROUND)
        parts = textwrap.wrap(visible(text, 600), max(width - 2, 10))
        blank = self.palette.style(Role.TEXT, self.GROUND)
        return [
            Line().add(" ", blank).field(part, width - 2, style).strip(width, blank)
            for part in parts
        ]
