"""Which tenants are shown, in which order, and where the cursor is."""

from __future__ import annotations

from collections.abc import Sequence


class TenantList:
    """Rows of the fleet in order, seen through a window of `height` lines.

    The cursor stays on its row of the fleet whatever the order does to it. Until
    somebody has moved it (`pinned`), it stays on the first line instead.

    Args:
        jump: Scroll by half a window at the edges, for slow links: a scrolled line
            costs as much as a whole window.
    """

    def __init__(self, *, jump: bool = False) -> None:
        self.rows: Sequence[int] = ()
        self.cursor = 0
        self.top = 0
        self.height = 1
        self.pinned = False
        self._jump = jump

    @property
    def selected(self) -> int | None:
        """The fleet's row under the cursor; None in an empty list."""
        return self.rows[self.cursor] if self.rows else None

    @property
    def shown(self) -> Sequence[int]:
        """The rows in the window, from above."""
        return self.rows[self.top : self.top + self.height]

    def place(self, rows: Sequence[int], selected: int | None) -> None:
        """Put rows in a new order, the cursor on `selected` where it is still there."""
        keep = self.pinned and selected is not None
        self.rows = rows
        if keep and selected in rows:
            self.cursor = rows.index(selected)
        elif not keep:
            self.cursor = self.top = 0
        self._settle()

    def resize(self, height: int) -> None:
        """Set the window's height in lines."""
        self.height = max(height, 1)
        self._settle()

    def move(self, lines: int) -> None:
        """Move the cursor by lines, down where positive."""
        self.go(self.cursor + lines)

    def go(self, line: int) -> None:
        """Put the cursor on a line of the list, or on the nearest there is."""
        self.pinned = True
        self.cursor = line
        self._settle()

    def page(self, pages: int) -> None:
        """Move cursor and window by whole windows."""
        self.top += pages * self.height
        self.go(self.cursor + pages * self.height)

    def scroll(self, lines: int) -> None:
        """Move the window; the cursor goes along at its edge."""
        self.pinned = True
        self.top = min(max(self.top + lines, 0), self._last_top())
        self.cursor = min(max(self.cursor, self.top), self.top + self.height - 1)
        self._settle()

    def _last_top(self) -> int:
        return max(len(self.rows) - self.height, 0)

    def _settle(self) -> None:
        self.cursor = min(max(self.cursor, 0), max(len(self.rows) - 1, 0))
        step = self.height // 2 if self._jump else 0
        if self.cursor < self.top:
            self.top = self.cursor - step
        elif self.cursor >= self.top + self.height:
            self.top = self.cursor - self.height + 1 + step
        self.top = min(max(self.top, 0), self._last_top())
