"""Which tenants are shown, in which order, and where the cursor is.

Between the rows there may be headings of groups, as numbers below 0: see `heading`.
"""

from __future__ import annotations

from collections.abc import Sequence


def heading(group: int) -> int:
    """Return what stands for the heading of a group, and of a heading its group."""
    return -1 - group


class TenantList:
    """Rows of the fleet in order, seen through a window of `height` lines.

    The cursor stays on its row of the fleet whatever the order does to it. Until
    somebody has moved it (`pinned`), it stays on the first line instead. It passes
    over the heading of a group, unless that is folded: its heading is all there is.

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
        """The fleet's row under the cursor; None on a heading, in an empty list."""
        line = self.line
        return line if line is not None and line >= 0 else None

    @property
    def line(self) -> int | None:
        """The row or heading under the cursor; None in an empty list."""
        return self.rows[self.cursor] if self.rows else None

    @property
    def shown(self) -> Sequence[int]:
        """The rows and headings in the window, from above."""
        return self.rows[self.top : self.top + self.height]

    def place(self, rows: Sequence[int], selected: int | None) -> None:
        """Put lines in a new order, the cursor on `selected` where that is there."""
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
        back = line < self.cursor
        self.cursor = line
        self._settle(back=back)

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

    def _settle(self, *, back: bool = False) -> None:
        self.cursor = min(max(self.cursor, 0), max(len(self.rows) - 1, 0))
        if self._open_heading(self.cursor):
            self.cursor += -1 if back and self.cursor else 1
        step = self.height // 2 if self._jump else 0
        if self.cursor < self.top:
            self.top = self.cursor - step
        elif self.cursor >= self.top + self.height:
            self.top = self.cursor - self.height + 1 + step
        if self.top == self.cursor and self._open_heading(self.top - 1):
            self.top -= 1
        self.top = min(max(self.top, 0), self._last_top())

    def _open_heading(self, line: int) -> bool:
        """Whether a line is a heading with rows below it."""
        rows = self.rows
        return 0 <= line < len(rows) - 1 and rows[line] < 0 <= rows[line + 1]
