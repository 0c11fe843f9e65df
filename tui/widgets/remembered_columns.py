"""Columns as they are remembered: of one context, or of every context."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.tui.memory import Memory
from meterdeck.tui.widgets.table_columns import Chosen, read_columns, write_columns

SECTION = "columns"
_EVERYWHERE = "all"
_CONTEXTS = "contexts"
_MOST_CONTEXTS = 200


class RememberedColumns:
    """What was chosen in a context, else what was chosen for all; see `Memory`."""

    def __init__(self, memory: Memory, context: str) -> None:
        self._memory = memory
        self._context = context

    def read(self) -> tuple[list[Chosen], bool]:
        """Return the columns, and whether they are those of every context.

        None at all: the table arranges itself.
        """
        own = read_columns(self._contexts().get(self._context))
        if own is not None:
            return own, False
        everywhere = read_columns(self._memory.get(SECTION).get(_EVERYWHERE))
        return everywhere or [], everywhere is not None

    def keep(self, chosen: Sequence[Chosen], *, everywhere: bool) -> None:
        """Remember columns; for every context they replace this one's own."""
        kept, contexts = self._memory.get(SECTION), self._contexts()
        contexts.pop(self._context, None)
        if everywhere:
            kept[_EVERYWHERE] = write_columns(chosen)
        else:
            contexts[self._context] = write_columns(chosen)
        names = list(contexts)[-_MOST_CONTEXTS:]
        kept[_CONTEXTS] = {name: contexts[name] for name in names}
        self._memory.put(SECTION, kept)

    def _contexts(self) -> dict[str, object]:
        found = self._memory.get(SECTION).get(_CONTEXTS)
        return dict(found) if isinstance(found, dict) else {}
