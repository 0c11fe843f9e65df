"""What the columns of the list of overrides say."""

from __future__ import annotations

from datetime import timedelta

from meterdeck.core.model.override_ends import (
    SHORT,
    Ending,
    Fate,
    FoundOverride,
    amount_words,
)
from meterdeck.core.model.quantity import group_quantity, short_quantity
from meterdeck.core.model.usage import percent_of
from meterdeck.core.services.override_ends import OverrideEnds
from meterdeck.tui import phrases
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.record_list import Field

SOON = timedelta(hours=12)
FATE_ROLES = {
    Fate.REFUSED: Role.HIGH,
    Fate.BY_THEN: Role.HIGH,
    Fate.OVER: Role.NEAR,
    Fate.LATER: Role.NEAR,
    Fate.UNKNOWN: Role.MUTED,
}


class OverrideCells:
    """Columns of the list, filled from the picture when a line is painted."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._ends: OverrideEnds | None = None

    def open(self, picture: Picture) -> None:
        """Take values from this picture from now on."""
        self._picture = picture
        self._ends = OverrideEnds(picture.context, picture.fleet)

    def fields(self) -> list[Field[FoundOverride]]:
        """Return the columns, as they stand from left to right."""
        right = Align.RIGHT
        return [
            Field("TENANT", 15, self.tenant, Role.BRIGHT, grows=True,
                  plain=lambda each: each.tenant),
            Field("RESOURCE", 10, self.resource, rank=1,
                  plain=lambda each: each.resource),
            Field("LIMIT", 9, self._limit, align=right),
            Field("THEN", 9, self._then, Role.MUTED, align=right, rank=2),
            Field("USED", 9, self._used, align=right, rank=4),
            Field("%", 6, self._share, align=right, rank=3),
            Field("ENDS IN", 8, self._left, self._left_role, align=right),
            Field("AT THE END", 11, self._fate, self._fate_role),
            Field("BY", 8, _actor, Role.MUTED, rank=6),
            Field("WHY", 18, _reason, Role.MUTED, grows=True, rank=5),
        ]  # fmt: skip

    def tenant(self, found: FoundOverride) -> str:
        """Return the tenant's name; its id before there is a picture."""
        return self._picture.who(found.tenant).name if self._picture else found.tenant

    def resource(self, found: FoundOverride) -> str:
        """Return what the resource is called."""
        return self._picture.label(found.resource) if self._picture else found.resource

    def ending(self, found: FoundOverride) -> Ending | None:
        """Return what happens at an override's end, as the fleet is now."""
        return self._ends.ending(found) if self._ends else None

    def ends_soon(self, found: FoundOverride) -> bool:
        """Tell whether it ends within twelve hours."""
        left = self._time_left(found)
        return found.in_force and left is not None and left <= SOON

    def _time_left(self, found: FoundOverride) -> timedelta | None:
        if self._picture is None or found.expires_at is None:
            return None
        return found.expires_at - self._picture.now()

    def _limit(self, found: FoundOverride) -> str:
        ending, override = self.ending(found), found.override
        if ending is None or override is None:
            return "broken"
        return _units(override.units, ending.fallback.resource.scale)

    def _then(self, found: FoundOverride) -> str:
        ending = self.ending(found)
        if ending is None:
            return ""
        return _units(ending.fallback.limit.units, ending.fallback.resource.scale)

    def _used(self, found: FoundOverride) -> str:
        ending = self.ending(found)
        if ending is None or not isinstance(ending.fallback.used, int):
            return "–"
        return amount_words(ending.fallback.used, ending.fallback.resource)

    def _share(self, found: FoundOverride) -> str:
        ending, override = self.ending(found), found.override
        if ending is None or override is None:
            return ""
        used = ending.fallback.used
        if not isinstance(used, int) or override.units is None:
            return "–"
        share = percent_of(used, override.units) or 0
        return f"{share}%" if share < 10_000 else f"×{share // 100}"

    def _left(self, found: FoundOverride) -> str:
        left = self._time_left(found)
        if found.ended:
            return "over"
        if left is None:
            return "never" if found.override else "–"
        return phrases.span(left)

    def _left_role(self, found: FoundOverride) -> Role:
        return Role.NEAR if self.ends_soon(found) or found.ended else Role.TEXT

    def _fate(self, found: FoundOverride) -> str:
        ending = self.ending(found)
        if ending is None:
            return "broken"
        return "has ended" if found.ended else SHORT[ending.fate]

    def _fate_role(self, found: FoundOverride) -> Role:
        ending = self.ending(found)
        if ending is None:
            return Role.HIGH
        return FATE_ROLES.get(ending.fate, Role.TEXT)


def _units(units: int | None, scale: int) -> str:
    if units is None:
        return "∞"
    text = group_quantity(units, scale)
    return text if len(text) <= 9 else short_quantity(units, scale)


def _actor(found: FoundOverride) -> str:
    return found.override.actor if found.override else ""


def _reason(found: FoundOverride) -> str:
    return found.override.reason if found.override else found.problem
