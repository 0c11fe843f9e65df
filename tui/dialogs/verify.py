"""The menu that asks whose audit trail is verified."""

from __future__ import annotations

from textual.content import Content

from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.dialogs.menu import Entry, Menu


class VerifyDialog(Menu[TenantId | str]):
    """Returns a tenant, or "" for all of them."""

    def __init__(self, tenant: TenantId | None) -> None:
        entries: list[Entry[TenantId | str]] = []
        if tenant is not None:
            one = Content.assemble(("t  ", "$md-accent"), f"of {visible(tenant, 32)}")
            entries.append(Entry("t", tenant, one))
        everyone = Content.assemble(("a  ", "$md-accent"), "of every tenant")
        entries.append(Entry("a", "", everyone))
        super().__init__("Verify the audit trail", entries)
