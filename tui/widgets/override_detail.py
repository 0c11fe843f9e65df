"""The chosen override in full: what holds now, when it ends, and what holds then."""

from __future__ import annotations

from textual.strip import Strip

from meterdeck.core.model.changes import Override
from meterdeck.core.model.override_ends import (
    Ending,
    FoundOverride,
    amount_words,
    fate_words,
    limit_words,
)
from meterdeck.core.model.usage import Broken, percent_of
from meterdeck.tui import phrases
from meterdeck.tui.override_cells import FATE_ROLES
from meterdeck.tui.picture import Picture
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet

_LABEL = 7


class OverrideDetail(Panel):
    """A few lines about one override, the most important first."""

    DEFAULT_CSS = "OverrideDetail { height: 7; margin-top: 1; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._found: FoundOverride | None = None
        self._ending: Ending | None = None
        self._picture: Picture | None = None

    def show(
        self, found: FoundOverride | None, ending: Ending | None, picture: Picture
    ) -> None:
        """Show an override, and what happens when it ends."""
        self._found, self._ending, self._picture = found, ending, picture
        self.repaint()

    def lines(self) -> list[Strip]:
        found, picture, ending = self._found, self._picture, self._ending
        if found is None or picture is None:
            return []
        sheet = Sheet(self.palette, self.size.width, self.GROUND, label=_LABEL)
        name = picture.who(found.tenant).name
        title = f"{name} · {picture.label(found.resource)}"
        note = found.tenant if name != found.tenant else ""
        made = [sheet.title("◆", Role.ACCENT, title, note)]
        if ending is None or found.override is None:
            return [*made, sheet.pair("broken", found.problem, Role.HIGH)]
        now = picture.now()
        role = FATE_ROLES.get(ending.fate, Role.TEXT)
        then = f"{limit_words(ending.fallback)}: {fate_words(ending, now)}"
        made += [
            sheet.pair("then", then, role),
            sheet.pair("now", _now(found.override, ending)),
            sheet.pair("ends", _ends(found, picture)),
            sheet.pair("why", found.override.reason or "no reason was given"),
            sheet.pair("set", _set_by(found.override), Role.MUTED),
        ]
        return made[: self.size.height]


def _now(override: Override, ending: Ending) -> str:
    used, resource = ending.fallback.used, ending.fallback.resource
    if used is None:
        return "its use is not known: the directory does not have the tenant"
    if isinstance(used, Broken):
        return f"the counter holds {used.holds}"
    units = override.units
    limit = "unlimited" if units is None else amount_words(units, resource)
    share = percent_of(used, units)
    text = f"{amount_words(used, resource)} of {limit}"
    text += f", {share} %" if share is not None else ""
    rate = ending.fallback.rate
    return f"{text}, {phrases.rate(rate, resource.scale)}" if rate > 0 else text


def _ends(found: FoundOverride, picture: Picture) -> str:
    at = found.expires_at
    if at is None:
        return "never, until somebody removes it"
    if found.ended:
        return f"{phrases.moment(at)} UTC: it is over, and its key is still there"
    return f"{phrases.moment(at)} UTC, in {phrases.span(at - picture.now())}"


def _set_by(override: Override) -> str:
    who = override.actor or "nobody who gave a name"
    return f"{phrases.moment(override.created_at)} UTC by {who}"
