"""How tenants are found on their screen: the filter, saved views, a pasted id."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from meterdeck.core.model.filter.completion import Hints, tenant_hints
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.views import Views
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.tenant_table import TenantTable

if TYPE_CHECKING:
    from meterdeck.tui.view_desk import ViewDesk


class FindingScreen(AreaScreen):
    """Has a `TenantTable` and a `FilterBar`."""

    @abstractmethod
    def place(self, picture: Picture) -> None:
        """Show the table, or why there is none."""

    def on_mount(self) -> None:
        self.query_one(FilterBar).hints = self._hints

    # -- the filter ------------------------------------------------------------

    def do_filter(self) -> None:
        self.query_one(FilterBar).begin()
        if picture := self.console.picture:
            self.call_after_refresh(picture.fleet.expect_search)

    def _hints(self) -> Hints:
        picture = self.console.picture
        if picture is None:
            return Hints()
        views = [view.name for view in Views(self.console.memory).all()]
        return tenant_hints(picture.fleet.vocabulary(), views)

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        picture = self.console.picture
        if picture is not None:
            self.narrow(message.text, picture)

    def narrow(self, text: str, picture: Picture) -> None:
        """Show the tenants that a filter takes; one that is wrong changes nothing."""
        bar = self.query_one(FilterBar)
        if bar.accept(lambda: picture.fleet.read_filter(text)):
            self.query_one(TenantTable).set_filter(text)
            self.place(picture)

    def on_filter_bar_left(self, message: FilterBar.Left) -> None:
        self.query_one(TenantTable).focus()
        picture = self.console.picture
        row = picture.fleet.row_called(message.pasted) if picture else None
        if picture is not None and row is not None:
            self.query_one(FilterBar).clear()
            self.console.open_tenant(picture.fleet.tenant(row).id)

    # -- saved views -----------------------------------------------------------

    def on_filter_bar_named(self, message: FilterBar.Named) -> None:
        bar = self.query_one(FilterBar)
        if bar.accept(lambda: self.apply_view(message.name)):
            bar.action_keep()
        else:
            bar.complain()

    def _desk(self) -> ViewDesk:
        from meterdeck.tui.view_desk import ViewDesk  # noqa: PLC0415  # rare

        return ViewDesk(self)

    def do_views(self) -> None:
        self._desk().choose()

    def apply_view(self, name: str) -> None:
        """Show a saved view: its filter, order and groups.

        Raises:
            BadInput: There is none of that name, or it has no meaning here.
        """
        self._desk().apply(name)

    def save_view(self, name: str) -> None:
        """Keep what is shown as a view.

        Raises:
            BadInput: The name cannot be one.
        """
        self._desk().save(name)

    def delete_view(self, name: str) -> None:
        """Forget a saved view.

        Raises:
            BadInput: There is none of that name, or it is always there.
        """
        self._desk().delete(name)
