"""Counters that Stripe does not have as they are, and what explains the difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from textual.strip import Strip

from meterdeck.core.model.drift import Drifted
from meterdeck.core.model.reconciliation import Share
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId, Resource
from meterdeck.core.services.close_guard import Closing
from meterdeck.tui import phrases
from meterdeck.tui.cause_words import CAUSE_WORDS, REPAIR_WORDS, units_text
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line, cells
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.counters import align_right
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.record_list import Field, RecordList

_UNITS = 14
_NOTHING_ENDS = "no counter is unsent of periods that end soon"


class _Names:
    """Tenants and resources by their names in the picture."""

    picture: Picture | None = None

    def tenant(self, counter: CounterId) -> str:
        row = self.picture.fleet.row_of(counter.tenant) if self.picture else None
        if self.picture is None or row is None:
            return counter.tenant
        return self.picture.fleet.tenant(row).name

    def resource(self, counter: CounterId) -> Resource:
        known = self.picture.fleet.resources if self.picture else []
        for resource in known:
            if resource.name == counter.resource:
                return resource
        return Resource(counter.resource, counter.resource, "unit")


class DriftList(RecordList[Drifted]):
    """One line a counter; those that are marked go into the next repair.

    Attributes:
        marked: Counters that were chosen by hand.
    """

    def __init__(self) -> None:
        self.names = _Names()
        self.marked: set[CounterId] = set()
        super().__init__(
            "Drift",
            (
                Field("", 1, self._mark, Role.ACCENT),
                Field("TENANT", 14, self.tenant_of, Role.BRIGHT, grows=True),
                Field("RESOURCE", 12, self.resource_of, Role.TEXT),
                Field("PERIOD", 10, _period, Role.MUTED, rank=3),
                Field("USED", 11, self._used, Role.TEXT, Align.RIGHT, rank=4),
                Field("ACCEPTED", 11, self._accepted, Role.TEXT, Align.RIGHT, rank=5),
                Field("IN STRIPE", 11, self._stripe, Role.TEXT, Align.RIGHT, rank=2),
                Field("DRIFT", 10, self._difference, _role, Align.RIGHT),
                Field("BECAUSE", 22, causes_of, _role, grows=True),
            ),
            key=lambda row: row.counter,
            empty="nothing differs; c compares",
        )

    def _mark(self, row: Drifted) -> str:
        return "●" if row.counter in self.marked else ""

    def tenant_of(self, row: Drifted) -> str:
        """Return the tenant's name."""
        return self.names.tenant(row.counter)

    def resource_of(self, row: Drifted) -> str:
        """Return the resource's label."""
        return self.names.resource(row.counter).label

    def in_units(self, row: Drifted) -> Decimal:
        """Return the drift in the resource's unit, as it is shown."""
        return row.drift.scaleb(-self.names.resource(row.counter).scale)

    def _units(self, row: Drifted, units: Decimal) -> str:
        return units_text(units, self.names.resource(row.counter))

    def _used(self, row: Drifted) -> str:
        return "gone" if row.used is None else self._units(row, Decimal(row.used))

    def _accepted(self, row: Drifted) -> str:
        return self._units(row, Decimal(row.reported))

    def _stripe(self, row: Drifted) -> str:
        return self._units(row, row.stripe)

    def _difference(self, row: Drifted) -> str:
        if len(row.faults) == 1:
            return _signed(row.faults[0].units, self.names.resource(row.counter))
        return self._units(row, row.drift)


def _period(row: Drifted) -> str:
    return row.counter.period


def causes_of(row: Drifted) -> str:
    """Return why a counter differs, in words: what needs somebody first."""
    shares = row.faults or row.shares
    words = [CAUSE_WORDS[each.cause] for each in shares]
    if row.held:
        words.append(f"held: {row.held}")
    return "; ".join(words) or "to be settled"


def _role(row: Drifted) -> Role:
    return Role.MUTED if row.agreed else Role.HIGH


class DriftDetail(Panel):
    """The chosen counter: used, accepted, in Stripe, and the sum that explains it."""

    DEFAULT_CSS = "DriftDetail { height: 9; } .-short DriftDetail { height: 7; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._row: Drifted | None = None
        self._names = _Names()

    def show(self, row: Drifted | None, names: _Names) -> None:
        """Show a counter."""
        self._row, self._names = row, names
        self.repaint()

    def lines(self) -> list[Strip]:
        row = self._row
        if row is None:
            return []
        made = [self._title(row), self._numbers(row)]
        made += [line for each in row.shares for line in self._share(row, each)]
        if row.held:
            made.append(self._said(f"held, and not billed: {row.held}", Role.NEAR))
        if row.settles:
            said = "an ambiguous event is proven: a repair settles it"
            made.append(self._said(said, Role.ACCENT))
        return made[: self.size.height]

    def _title(self, row: Drifted) -> Strip:
        style, width = self.palette.style, self.size.width
        name = visible(self._names.tenant(row.counter), 60)
        label = visible(self._names.resource(row.counter).label, 30)
        line = Line().add(f" {name} ", style(Role.BRIGHT, Ground.BAR, bold=True))
        line.add(f"· {label} · {visible(row.counter.period)}",
                 style(Role.TEXT, Ground.BAR))  # fmt: skip
        if row.counter.tenant != name and width > line.width + 30:
            tail = visible(row.counter.tenant, 40)
            align_right(line, tail, width, style(Role.MUTED, Ground.BAR))
        return line.strip(width, style(Role.TEXT, Ground.BAR))

    def _numbers(self, row: Drifted) -> Strip:
        style, resource = self.palette.style, self._names.resource(row.counter)
        muted, bright = style(Role.MUTED, self.GROUND), style(Role.BRIGHT, self.GROUND)
        used = "gone" if row.used is None else units_text(Decimal(row.used), resource)
        line = Line().add(" used ", muted).add(used, bright)
        line.add("  accepted ", muted)
        line.add(units_text(Decimal(row.reported), resource), bright)
        line.add("  in Stripe ", muted).add(units_text(row.stripe, resource), bright)
        line.add("  difference ", muted)
        line.add(_signed(row.difference, resource), bright)
        line.add("  =" if row.shares else "", muted)
        return line.strip(self.size.width, muted)

    def _share(self, row: Drifted, share: Share) -> list[Strip]:
        style, width = self.palette.style, self.size.width
        wrong = share in row.faults
        role = Role.HIGH if wrong else Role.MUTED
        resource = self._names.resource(row.counter)
        blank = style(Role.TEXT, self.GROUND)
        line = Line().add(" ", blank)
        line.field(_signed(share.units, resource), _UNITS, style(role, self.GROUND),
                   Align.RIGHT)  # fmt: skip
        line.add(f"  {CAUSE_WORDS[share.cause]}", style(Role.TEXT, self.GROUND))
        hint = f"  → {word}" if (word := REPAIR_WORDS.get(share.cause, "")) else ""
        muted = style(Role.MUTED, self.GROUND)
        made = [line]
        if line.width + cells(hint) >= width:
            made.append(Line().add(" " * (_UNITS + 1), muted))
        if hint:
            made[-1].field(hint, width - made[-1].width - 1, muted)
        return [each.strip(width, blank) for each in made]

    def _said(self, text: str, role: Role) -> Strip:
        style = self.palette.style(role, self.GROUND)
        line = Line().add(" ", style).field(visible(text), self.size.width - 2, style)
        return line.strip(self.size.width, style)


def _signed(units: Decimal, resource: Resource) -> str:
    text = units_text(units, resource)
    return f"+{text}" if units > 0 else text


class ClosingList(RecordList[Closing]):
    """What is unsent of periods that end soon, those that end first on top."""

    def __init__(self) -> None:
        self.names = _Names()
        super().__init__(
            "closing: unsent, and the period ends soon",
            (
                Field("TENANT", 14, self._tenant, Role.BRIGHT, grows=True),
                Field("RESOURCE", 12, self._resource, Role.TEXT),
                Field("PERIOD", 10, _closing_period, Role.MUTED, rank=2),
                Field("ENDS", 16, self._ends, self._ends_role),
                Field("UNSENT", 16, self._unsent, Role.NEAR, grows=True),
            ),
            key=lambda each: each.counter,
            empty="reading …",
        )

    def read(self, found: Sequence[Closing], more: int) -> None:
        """Show what was read; of so many `more` there is no room."""
        shown = phrases.counted(len(found), "counter")
        self.note = f"{shown}, {more:,} more" if more else shown
        self.empty = _NOTHING_ENDS
        self.show(found)

    def fail(self, problem: str) -> None:
        """Say why it could not be read; what was known stays."""
        self.note = self.empty = visible(problem, 160)
        self.repaint()

    def _tenant(self, each: Closing) -> str:
        return each.tenant.name

    def _resource(self, each: Closing) -> str:
        return each.resource.label

    def _ends(self, each: Closing) -> str:
        picture = self.names.picture
        if picture is None:
            return ""
        now = picture.now()
        if each.ends <= now:
            return f"{phrases.span(now - each.ends)} ago"
        return f"in {phrases.span(each.ends - now)}"

    def _ends_role(self, each: Closing) -> Role:
        picture = self.names.picture
        over = picture is not None and each.ends <= picture.now()
        return Role.HIGH if over else Role.TEXT

    def _unsent(self, each: Closing) -> str:
        parts = (
            (each.record.waiting, "waiting"),
            (each.in_flight, "in flight"),
            (each.record.parked, "in letters"),
        )
        return ", ".join(
            f"{units_text(Decimal(units), each.resource)} {word}"
            for units, word in parts
            if units
        )


def _closing_period(each: Closing) -> str:
    return each.counter.period


CLOSING_FIELDS: Mapping[str, Callable[[Closing], str]] = {
    "tenant": lambda each: f"{each.tenant.name} {each.tenant.id}",
    "resource": lambda each: f"{each.resource.label} {each.resource.name}",
    "period": _closing_period,
}
"""What a filter finds in what ends soon."""
