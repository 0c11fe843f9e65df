"""The dialog that gives many tenants other limits, with who feels it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from textual.widget import Widget
from textual.widgets import Button, Input, Static

from meterdeck.core.errors import BadInput
from meterdeck.core.model.bulk_override import (
    BEYOND,
    BulkOrder,
    Candidate,
    Fate,
    Foreseen,
    LeftOut,
    Preview,
    parse_limit_change,
    preview,
    preview_removal,
)
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.bulk_overrides import candidates
from meterdeck.tui import phrases
from meterdeck.tui.bulk import BulkOverride, BulkProgress
from meterdeck.tui.dialogs.change import ChangeDialog, Draft
from meterdeck.tui.dialogs.override import read_until
from meterdeck.tui.picture import Picture
from meterdeck.tui.requests import Target
from meterdeck.tui.widgets.choice import Choice

REMOVE = "Remove all"
_WIDEST = 58
_FEW = 2_000
"""Tenants up to which the preview follows the counters each second."""


class BulkOverrideDialog(ChangeDialog):
    """Returns one request for all of the tenants.

    Args:
        tenants: Those that are marked; at least one.
    """

    TITLE_TEXT = "Override the limits of several tenants"
    VERB = "Override all"
    AUTO_FOCUS = "#limit"
    BEYOND_UNDO = True
    """Each by itself can be undone; all at once cannot."""

    def __init__(self, picture: Picture, tenants: Sequence[Tenant]) -> None:
        super().__init__(picture, tenants[0])
        self._tenants = tenants
        self._known: tuple[object, Preview] | None = None
        self._candidates: list[Candidate] = []
        self._seen_at: object = None

    def whom(self) -> str:
        names = [visible(tenant.name, 24) for tenant in islice(self._tenants, 3)]
        more = len(self._tenants) - len(names)
        said = ", ".join(names) + (f" and {more:,} more" if more else "")
        return f"{phrases.counted(len(self._tenants), 'tenant')}: {said}"

    def fields(self) -> Iterator[tuple[str, Widget]]:
        yield "Do", Choice(["set a limit", "remove the overrides"], id="do")
        yield "Limit", Input(
            placeholder="units, ×1.5, +20%, -10% of what it is, or unlimited",
            id="limit", compact=True,
        )  # fmt: skip
        yield (
            "Until",
            Input(
                "7d", placeholder="12h, 7d, 2w, 2026-12-24", id="until", compact=True
            ),
        )
        for label, name in (
            ("→ allowed", "freed"), ("→ refused", "caught"), ("Left out", "out"),
        ):  # fmt: skip
            yield label, Static(id=name, classes="said", markup=False)

    def draft(self, target: Target, reason: str) -> Draft:
        remove = self.chosen("do") == 1
        seen = self._preview_of(target, remove=remove)
        until = None
        if not remove:
            until = read_until(self.text("until"), self.picture)
        before = phrases.counted(len(seen.changes), "limit")
        if not seen.changes:
            return Draft(None, before, "", "there is nobody whose limit it changes")
        order = BulkOrder(
            target.resource.name,
            tuple((each.tenant, each.after) for each in seen.changes),
            until,
            reason,
            remove,
        )
        progress = BulkProgress(len(order.limits))
        request = BulkOverride(order, target.resource.label, progress)
        how = "The plans' limits hold again at once."
        if not remove:
            end = "without expiry"
            if until:
                moment = phrases.moment(until)
                end = f"until {moment} UTC: then each plan's limit again"
            how = f"They hold at once, {end}."
        note = f"{how} Each has its own entry in the audit trail."
        return Draft(request, before, _directions(seen), note)

    def _preview_of(self, target: Target, *, remove: bool) -> Preview:
        text = "" if remove else self.text("limit")
        key = (self._candidates_of(target), text, remove)
        if self._known is not None and self._known[0] == key:
            return self._known[1]
        self._known = None  # of what cannot be read there is no preview
        if not remove and not text:
            raise BadInput("which limit? write units, ×1.5, +20% or unlimited")
        if remove:
            seen = preview_removal(self._candidates)
        else:
            change = parse_limit_change(text, target.resource.scale)
            seen = preview(self._candidates, change)
        self._known = key, seen
        return seen

    def _candidates_of(self, target: Target) -> object:
        """Read how the tenants stand; return what tells it from an older reading."""
        few = len(self._tenants) <= _FEW
        seen = (target.resource.name, self.picture.updates if few else 0)
        if seen != self._seen_at:
            ids = [tenant.id for tenant in self._tenants]
            fleet = self.picture.fleet
            self._candidates = candidates(fleet, ids, target.resource.name)
            self._seen_at = seen
        return seen

    def look(self) -> None:
        super().look()
        remove = self.chosen("do") == 1
        for name in ("limit", "until"):
            field = self.query_one(f"#{name}").parent
            assert field is not None
            field.display = not remove
        self.query_one("#confirm", Button).label = REMOVE if remove else self.VERB
        seen = self._known[1] if self._known else None
        for name, says in self._effects(seen).items():
            said = self.query_one(f"#{name}", Static)
            if said.content != says:
                said.update(says, layout=False)

    def _effects(self, seen: Preview | None) -> dict[str, str]:
        if seen is None:
            return {"freed": "", "caught": "", "out": ""}
        return {
            "freed": _named(seen.meeting(Fate.FREED)),
            "caught": _named(seen.meeting(Fate.CAUGHT)),
            "out": _named(seen.left_out),
        }


def _directions(seen: Preview) -> str:
    same = len(seen.changes) - seen.raised - seen.lowered
    parts = (
        (seen.raised, "raised"),
        (seen.lowered, "lowered"),
        (same, "as high as now"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in parts if count)


def _named(found: Sequence[Foreseen | LeftOut]) -> str:
    """Return how many there are, with the first names that fit."""
    if not found:
        return "nobody"
    said = f"{len(found):,}: "
    for number, one in enumerate(found):
        name, more = visible(one.name, 24), len(found) - number - 1
        rest = f" and {more:,} more" if more else ""
        if number and len(said) + len(name) + len(rest) + 2 > _WIDEST:
            return f"{said} and {more + 1:,} more"
        said += f"{', ' if number else ''}{name}"
        if isinstance(one, LeftOut) and one.why == BEYOND:
            said += f" ({one.why})"
    return said
