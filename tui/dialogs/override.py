"""The dialog that gives a tenant its own limit, or takes it away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from textual.widget import Widget
from textual.widgets import Input

from meterdeck.core.errors import BadInput
from meterdeck.core.model.changes import Override
from meterdeck.core.model.override_ends import (
    Ending,
    FoundOverride,
    ending_words,
    fate_words,
)
from meterdeck.core.model.quantity import format_quantity, parse_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import LimitSource, Tenant
from meterdeck.core.services.override_ends import OverrideEnds
from meterdeck.tui import phrases
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import ClearOverride, SetOverride, Target
from meterdeck.tui.widgets.choice import Choice

_LENGTH = re.compile(r"([1-9][0-9]{0,3})\s*([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_expiry(text: str, now: datetime) -> datetime | None:
    """Read when an override ends: `12h`, `7d`, `2w`, a UTC date, or `never`.

    A date ends with that day. `None` is never.

    Raises:
        BadInput: None of these, or in the past.
    """
    if text.casefold() == "never":
        return None
    match = _LENGTH.fullmatch(text.casefold())
    if match is not None:
        return now + int(match[1]) * _UNITS[match[2]]
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        end = day + timedelta(days=1)
    except (ValueError, OverflowError):  # the last day of all has no end
        raise BadInput(
            f"“{visible(text, 20)}” is no expiry; write 12h, 7d, 2w or a date such as"
            f" {now + timedelta(days=7):%Y-%m-%d}"
        ) from None
    if end <= now:
        raise BadInput(f"{text} is over; write a day that is still to come")
    return end


def read_until(text: str, picture: Picture) -> datetime | None:
    """Read when an override of the picture's context ends; nothing is never.

    Raises:
        BadInput: As `parse_expiry`, or it has to end in this context.
    """
    until = parse_expiry(text or "never", picture.now())
    if until is None and picture.context.override_needs_expiry:
        raise BadInput("until when? write 12h, 7d, 2w or a date")
    return until


class OverrideDialog(ChangeDialog):
    """Set or remove an override.

    Args:
        found: The override it was opened on; None: any may be chosen.
        removes: Whether removing it is chosen at first.
    """

    TITLE_TEXT = "Override a limit"
    VERB = "Override"
    AUTO_FOCUS = "#limit"

    def __init__(
        self,
        picture: Picture,
        tenant: Tenant,
        found: FoundOverride | None = None,
        *,
        removes: bool = False,
    ) -> None:
        super().__init__(picture, tenant)
        self._found = found
        self._removes = removes

    def first_column(self) -> int:
        if self._found is None:
            return super().first_column()
        return self.picture.fleet.column_of(self._found.resource)

    def on_mount(self) -> None:
        if self._removes:
            self.query_one("#do", Choice).choose(1)
            self.query_one("#reason").focus()
        super().on_mount()

    def fields(self) -> Iterator[tuple[str, Widget]]:
        yield "Do", Choice(["set a limit", "remove the override"], id="do")
        yield (
            "Limit",
            Input(
                self._limit_now(), placeholder="units, or unlimited", id="limit",
                compact=True,
            ),
        )  # fmt: skip
        yield "Until", Input("7d", placeholder="12h, 7d, 2w, 2026-12-24",
                             id="until", compact=True)  # fmt: skip

    def draft(self, target: Target, reason: str) -> Draft:
        limit = self._limit(target)
        before = limit[0]
        if self.chosen("do") == 1:
            if not limit[1]:
                return Draft(None, before, "", "there is no override to remove")
            after = self._without(target)
            request = ClearOverride(target, reason, after)
            return Draft(request, before, after, self._once_removed(target))
        try:
            units = self._units(target)
            until = read_until(self.text("until"), self.picture)
        except BadInput as problem:
            return Draft(None, before, "", str(problem))
        end = f" until {phrases.moment(until)}" if until else ", no expiry"
        after = target.amount(units) + end
        change = SetOverride(target, units, until, reason, before)
        effect = f"{self._effect(target, units)}{self._at_its_end(target, change)}"
        return Draft(change, before, after, effect)

    def _limit(self, target: Target) -> tuple[str, bool]:
        """Return the limit now in words, and whether it is an override."""
        fleet, found = self.picture.fleet, self._found
        row = fleet.row_of(self.tenant.id)
        if row is None and found and found.resource == target.resource.name:
            override = found.override
            return target.amount(override.units) if override else "unknown", True
        if row is None:
            return "unknown", False
        limit = fleet.limit(row, fleet.column_of(target.resource.name))
        words = f"{target.amount(limit.units)} ({limit.source.value})"
        return words, limit.source is LimitSource.OVERRIDE

    def _limit_now(self) -> str:
        """Return the override's limit as it would be typed."""
        override = self._found.override if self._found else None
        if override is None:
            return ""
        if override.units is None:
            return "unlimited"
        resource = self.picture.fleet.resources[self.first_column()]
        return format_quantity(override.units, resource.scale)

    def _without(self, target: Target) -> str:
        limit = self.picture.context.limit_of(self.tenant, target.resource.name)
        return f"{target.amount(limit.units)} ({limit.source.value})"

    def _units(self, target: Target) -> int | None:
        text = self.text("limit")
        if not text:
            raise BadInput("which limit? write a quantity, or unlimited")
        if text.casefold() in {"unlimited", "∞"}:
            return None
        return parse_quantity(text, target.resource.scale)

    def _effect(self, target: Target, units: int | None) -> str:
        used = self.used(target)
        if units is None:
            return "Nothing is refused any more until it ends."
        if isinstance(used, int) and used >= units:
            return f"{target.amount(used)} are used already: calls will be refused."
        return "It holds at once, for every caller."

    def _at_its_end(self, target: Target, change: SetOverride) -> str:
        """Return what happens when the override ends, as the counter stands now."""
        if change.expires_at is None:
            return ""
        ending = self._ending(target, change.units, change.expires_at)
        if ending is None:
            return ""
        return f" At its end {ending_words(ending, self.picture.now())}."

    def _once_removed(self, target: Target) -> str:
        """Return what happens when the override there ends now."""
        fleet, now = self.picture.fleet, self.picture.now()
        row, found = fleet.row_of(self.tenant.id), self._found
        units = found.override.units if found and found.override else None
        if row is not None:
            units = fleet.limit(row, fleet.column_of(target.resource.name)).units
        ending = self._ending(target, units, now)
        follows = f": {fate_words(ending, now)}" if ending else ", at once"
        return f"The plan's limit holds again{follows}."

    def _ending(
        self, target: Target, units: int | None, ends: datetime
    ) -> Ending | None:
        tenant, resource = self.tenant.id, target.resource.name
        now, fleet = self.picture.now(), self.picture.fleet
        override = Override(tenant, resource, units, "", "", now, ends)
        found = FoundOverride(tenant, resource, override)
        return OverrideEnds(self.picture.context, fleet).ending(found)
