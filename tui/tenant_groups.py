"""The groups of the tenant table: headings between rows, folded or not."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.services.fleet import Fleet
from meterdeck.core.services.fleet_groups import Group, GroupBy, grouped
from meterdeck.tui.memory import Remembered
from meterdeck.tui.tenant_list import heading

MOST_FOLDED = 200
"""Folded groups that are remembered."""
_KNOWN = {by.value for by in GroupBy}


class TenantGroups:
    """What the table is grouped by, and which groups are folded.

    Attributes:
        made: The groups of the last `arrange`, in order; none without grouping.
    """

    def __init__(self) -> None:
        self.by = GroupBy.NOTHING
        self.made: list[Group] = []
        self._folded: set[tuple[GroupBy, str]] = set()

    def recall(self, remembered: Remembered) -> None:
        """Take what was remembered; what makes no sense is left out."""
        self.by = _group_by(remembered.get("by")) or GroupBy.NOTHING
        folded = remembered.get("folded")
        pairs = folded if isinstance(folded, list) else []
        self._folded = {pair for pair in map(_pair, pairs[:MOST_FOLDED]) if pair}

    def remembered(self) -> Remembered:
        """Return what to remember."""
        folded = sorted(self._folded)[:MOST_FOLDED]
        return {"by": self.by.value, "folded": [[by.value, key] for by, key in folded]}

    def arrange(self, fleet: Fleet, rows: Sequence[int]) -> Sequence[int]:
        """Return ordered rows with their headings, as a `TenantList` takes them."""
        if self.by is GroupBy.NOTHING:
            self.made = []
            return rows
        self.made = grouped(fleet, self.by, rows)
        return self.lines()

    def lines(self) -> list[int]:
        """Return the groups as `arrange` does, as they are folded now."""
        lines: list[int] = []
        for number, group in enumerate(self.made):
            lines.append(heading(number))
            if not self.folded(group):
                lines.extend(group.rows)
        return lines

    def folded(self, group: Group) -> bool:
        """Tell whether a group shows its heading only."""
        return (self.by, group.key) in self._folded

    def fold(self, group: Group) -> None:
        """Fold a group, or unfold it."""
        self._folded ^= {(self.by, group.key)}

    def fold_all(self) -> None:
        """Fold every group, or unfold all where all are folded."""
        every = {(self.by, group.key) for group in self.made}
        if every <= self._folded:
            self._folded -= every
        else:
            self._folded |= every

    def of_line(self, line: int | None) -> Group | None:
        """Return the group of a heading, or the one with a row in it."""
        if line is None:
            return None
        if line < 0:
            number = heading(line)
            return self.made[number] if number < len(self.made) else None
        return next((group for group in self.made if line in group.rows), None)

    def line_of(self, key: str) -> int | None:
        """Return the heading of the group with this key; None where it has gone."""
        keys = [group.key for group in self.made]
        return heading(keys.index(key)) if key in keys else None

    def seen(self, row: int) -> int:
        """Return the line that shows a row: its own, or the folded group's heading."""
        for number, group in enumerate(self.made):
            if self.folded(group) and row in group.rows:
                return heading(number)
        return row


def _group_by(value: object) -> GroupBy | None:
    return GroupBy(value) if isinstance(value, str) and value in _KNOWN else None


def _pair(value: object) -> tuple[GroupBy, str] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    by, key = _group_by(value[0]), value[1]
    return (by, key) if by is not None and isinstance(key, str) else None
