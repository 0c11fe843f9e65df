"""What is done with saved views on the screen of the tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible
from meterdeck.tui.dialogs.views import Asked, ViewsDialog
from meterdeck.tui.views import View, Views
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.table_cells import Order
from meterdeck.tui.widgets.tenant_table import TenantTable

if TYPE_CHECKING:
    from meterdeck.tui.screens.finding import FindingScreen


class ViewDesk:
    """Opens, saves and deletes views of a screen."""

    def __init__(self, screen: FindingScreen) -> None:
        self._screen = screen
        self._views = Views(screen.console.memory)

    def choose(self) -> None:
        """Let a view be chosen from a menu."""
        dialog = ViewsDialog(self._views.all())
        self._screen.app.push_screen(dialog, self._asked)

    def _asked(self, asked: Asked | None) -> None:
        if asked is None:
            return
        try:
            if asked.view is None:
                self._screen.type_command("save-view ")
            elif asked.delete:
                self.delete(asked.view.name)
            else:
                self.apply(asked.view.name)
        except BadInput as error:
            self._screen.console.say(str(error), title="views", severity="warning")

    def apply(self, name: str) -> None:
        """Show a view by its name.

        Raises:
            BadInput: There is none, or its filter has no meaning here any more.
        """
        view, picture = self._views.find(name), self._screen.console.picture
        if picture is None:
            raise BadInput("not connected yet; try again when the tenants are there")
        picture.fleet.read_filter(view.filter)
        table = self._screen.query_one(TenantTable)
        table.look(view.filter, Order(view.order, view.reverse), view.by)
        self._screen.query_one(FilterBar).put(view.filter)
        self._screen.console.memory.put("groups", table.groups.remembered())

    def save(self, name: str) -> None:
        """Keep the present filter, order and groups under a name.

        Raises:
            BadInput: The name cannot be one.
        """
        table = self._screen.query_one(TenantTable)
        order = table.order
        view = View(
            name.strip(), table.filter, str(order.key), order.reverse, table.groups.by
        )
        self._views.save(view)
        self._screen.console.say(
            f"{visible(view.name)} is kept; v shows the views", title="views"
        )

    def delete(self, name: str) -> None:
        """Forget a view.

        Raises:
            BadInput: There is none of that name, or it is one that always is.
        """
        self._views.delete(name)
        self._screen.console.say(f"{visible(name)} is deleted", title="views")
