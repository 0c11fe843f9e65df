"""Say at a start which of our files are open to others."""

from __future__ import annotations

from pathlib import Path

from meterdeck.core.settings.file_modes import exposed
from meterdeck.core.settings.running_sandbox import state_dir
from meterdeck.tui.cli.output import note

_MOST = 3


def tell_exposed(config: Path | None) -> None:
    """Write a line on standard error for each, a few at most."""
    found = exposed(config, state_dir())
    for each in found[:_MOST]:
        note(f"meterdeck: {each}")
    if len(found) > _MOST:
        note(f"meterdeck: and {len(found) - _MOST} more; see: meterdeck doctor files")
