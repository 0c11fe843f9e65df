"""Which dialog belongs to which action."""

from __future__ import annotations

from meterdeck.core.model.usage import Tenant
from meterdeck.tui.dialogs.adjust import AdjustDialog, ResetDialog
from meterdeck.tui.dialogs.change import ChangeDialog
from meterdeck.tui.dialogs.fire import FireDialog
from meterdeck.tui.dialogs.override import OverrideDialog
from meterdeck.tui.picture import Picture

_DIALOGS: dict[str, type[ChangeDialog]] = {
    "adjust": AdjustDialog,
    "reset": ResetDialog,
    "override": OverrideDialog,
    "fire": FireDialog,
}


def dialog_for(action: str, picture: Picture, tenant: Tenant) -> ChangeDialog:
    """Return the dialog of an action that changes something."""
    return _DIALOGS[action](picture, tenant)
