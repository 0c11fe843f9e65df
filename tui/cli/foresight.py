"""What becomes of a change that is asked for, said before it is."""

from __future__ import annotations

from meterdeck.core.model.change_requests import Change
from meterdeck.core.model.request_rules import Changes
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.output import note


async def foretell(call: Call, change: Change) -> None:
    """Say whether somebody has to approve it, and whether anybody serves requests."""
    if call.context.changes is Changes.DIRECT:
        return
    found = await call.engine.requests.foresee(change)
    if found is not None:
        note(str(found))
