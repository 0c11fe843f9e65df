"""What the first screen does with its table: columns, groups, marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant
from meterdeck.core.services.fleet import SortKey
from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui.actions import Action
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.widgets.remembered_columns import RememberedColumns
from meterdeck.tui.widgets.tenant_table import TenantTable

if TYPE_CHECKING:
    from meterdeck.tui.bulk import BulkOverride
    from meterdeck.tui.dialogs.columns import Columns
    from meterdeck.tui.requests import Request


class TableScreen(AreaScreen):
    """A screen with the table of tenants."""

    _bulk: BulkOverride | None = None
    _watching: Timer | None = None

    def recall(self, picture: Picture) -> None:
        """Have the table as it was at the last start."""
        memory, table = self.console.memory, self.query_one(TenantTable)
        table.groups.recall(memory.get("groups"))
        table.set_columns(RememberedColumns(memory, picture.context.name).read()[0])

    def show_note(self) -> None:
        """Say which part of the table is shown."""

    def progress_note(self) -> str:
        """Return how far a change of many limits is; "" where none runs."""
        if self._bulk is None:
            return ""
        progress = self._bulk.progress
        return f"overriding {progress.tried:,} of {progress.total:,} …"

    def do_mark(self) -> None:
        self.query_one(TenantTable).mark()

    def do_mark_all(self) -> None:
        self.query_one(TenantTable).mark_all()

    def ask(self, action: Action) -> None:
        marked = self._marked() if action.id == "override" else []
        if not marked:
            super().ask(action)
            return
        from meterdeck.tui.dialogs.bulk_override import (  # noqa: PLC0415  # rare
            BulkOverrideDialog,
        )

        assert self.console.picture is not None  # the gate has let it pass
        dialog = BulkOverrideDialog(self.console.picture, marked)
        self.app.push_screen(dialog, self._override_all)

    def _marked(self) -> list[Tenant]:
        """Return the marked tenants that are there, the nearest to a limit first."""
        picture, marks = self.console.picture, self.query_one(TenantTable).marks
        if picture is None or not marks:
            return []
        fleet = picture.fleet
        rows = [fleet.row_of(tenant) for tenant in marks.tenants]
        there = fleet.order(
            SortKey.WORST, rows=[row for row in rows if row is not None]
        )
        return [fleet.tenant(row) for row in there]

    def _override_all(self, request: Request | None) -> None:
        from meterdeck.tui.bulk import BulkOverride  # noqa: PLC0415  # rare

        self.console.perform(request)
        if isinstance(request, BulkOverride) and not self.console.changing.barred():
            self._bulk = request
            self._watching = self.set_interval(1.0, self.show_note)

    def answered(self, request: Request) -> None:
        from meterdeck.tui.bulk import BulkOverride  # noqa: PLC0415  # rare

        if not isinstance(request, BulkOverride):
            return
        if self._watching is not None:
            self._watching.stop()
        self._watching = self._bulk = None
        result = request.progress.result
        if result is None:
            self.show_note()
        else:
            self.query_one(TenantTable).keep_marks(who for who, _ in result.failed)

    def do_columns(self) -> None:
        from meterdeck.tui.dialogs.columns import ColumnsDialog  # noqa: PLC0415  # rare

        picture, table = self.console.picture, self.query_one(TenantTable)
        if picture is None:
            return
        name = picture.context.name
        chosen, everywhere = RememberedColumns(self.console.memory, name).read()
        dialog = ColumnsDialog(
            chosen, picture.fleet.resources, width=table.size.width or self.size.width,
            context=name, everywhere=everywhere,
        )  # fmt: skip
        self.app.push_screen(dialog, self._laid_out)

    def _laid_out(self, columns: Columns | None) -> None:
        picture = self.console.picture
        if columns is None or picture is None:
            return
        remembered = RememberedColumns(self.console.memory, picture.context.name)
        remembered.keep(columns.chosen, everywhere=columns.everywhere)
        self.query_one(TenantTable).set_columns(columns.chosen)

    def do_group(self) -> None:
        from meterdeck.tui.dialogs.group import GroupDialog  # noqa: PLC0415  # rare

        by = self.query_one(TenantTable).groups.by
        self.app.push_screen(GroupDialog(by), self._grouped)

    def group_by(self, name: str) -> None:
        """Group by what has a name; see `GroupBy`.

        Raises:
            BadInput: Nothing has.
        """
        if name not in list(GroupBy):
            valid = ", ".join(GroupBy)
            raise BadInput(f"tenants have no groups {visible(name, 20)}; {valid}")
        self._grouped(GroupBy(name))

    def _grouped(self, by: GroupBy | None) -> None:
        if by is not None:
            self.query_one(TenantTable).group_by(by)
            self.on_tenant_table_folded()

    def on_tenant_table_folded(self) -> None:
        groups = self.query_one(TenantTable).groups
        self.console.memory.put("groups", groups.remembered())
