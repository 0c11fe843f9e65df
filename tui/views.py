"""Saved views of the tenants: a filter, an order and groups under a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.errors import BadInput
from meterdeck.core.model.filter.completion import VIEW
from meterdeck.core.model.text import visible
from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.core.services.fleet_order import SortKey
from meterdeck.core.settings.nearest import suggest
from meterdeck.tui.memory import Memory, Remembered

SECTION = "views"
MOST = 100
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at the tenants.

    Attributes:
        order: A `SortKey` or a resource's name.
        own: The user has saved it; the others are always there.
    """

    name: str
    filter: str
    order: str = SortKey.WORST
    reverse: bool = False
    by: GroupBy = GroupBy.NOTHING
    own: bool = False


BUILT_IN = (
    View("at limit", "at:limit"),
    View("near", "is:near"),
    View("2 hours", "eta<2h !at:limit"),
    View("overrides", "limit:override"),
    View("past due", "status:past_due,unpaid", SortKey.STATUS),
)
"""What on-call asks for most: who is there, who will be, who is let past."""


class Views:
    """The views there are, the user's own after those that always are."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def all(self) -> Sequence[View]:
        """Return all views; what was remembered and makes no sense is left out."""
        kept = self._memory.get(SECTION).items()
        own = [view for view in (_view(*each) for each in kept) if view is not None]
        return (*BUILT_IN, *own[:MOST])

    def find(self, name: str) -> View:
        """Return the view of that name, in any case, or the only one that begins so.

        Raises:
            BadInput: There is none, or there are several.
        """
        views, wanted = self.all(), name.strip().lower()
        begun = [view for view in views if view.name.lower().startswith(wanted)]
        for view in begun:
            if view.name.lower() == wanted or len(begun) == 1:
                return view
        names = [view.name for view in views]
        raise BadInput(f"there is no view {visible(name, 40)}; {suggest(name, names)}")

    def save(self, view: View) -> None:
        """Keep a view; one of the same name is replaced.

        Raises:
            BadInput: The name is taken, or cannot be one, or there are too many.
        """
        name = view.name
        if not name or not name.isprintable() or len(name) > LONGEST_NAME:
            raise BadInput(f"a view's name has 1 to {LONGEST_NAME} plain characters")
        if name.startswith(VIEW):
            raise BadInput(f"a view's name does not begin with {VIEW}")
        if any(name.lower() == each.name for each in BUILT_IN):
            raise BadInput(f"the view {name} is always there; choose another name")
        kept = self._kept(without=name)
        if len(kept) >= MOST:
            raise BadInput(f"{MOST} views are kept at most; delete one first")
        kept[name] = {
            "filter": view.filter,
            "order": view.order,
            "reverse": view.reverse,
            "group": view.by.value,
        }
        self._memory.put(SECTION, kept)

    def delete(self, name: str) -> None:
        """Forget a view.

        Raises:
            BadInput: There is none of that name, or it is one that always is.
        """
        view = self.find(name)
        if view.name.lower() != name.strip().lower():
            raise BadInput(f"there is no view {visible(name, 40)}")
        if not view.own:
            raise BadInput(f"the view {view.name} is always there")
        self._memory.put(SECTION, self._kept(without=view.name))

    def _kept(self, *, without: str) -> Remembered:
        kept = self._memory.get(SECTION)
        return {k: v for k, v in kept.items() if k.lower() != without.lower()}


def _view(name: str, kept: object) -> View | None:
    if not isinstance(kept, dict) or not name or not name.isprintable():
        return None
    text, order = kept.get("filter"), kept.get("order")
    if not isinstance(text, str) or not isinstance(order, str):
        return None
    group = str(kept.get("group"))
    by = GroupBy(group) if group in list(GroupBy) else GroupBy.NOTHING
    return View(name, text, order, kept.get("reverse") is True, by, own=True)
