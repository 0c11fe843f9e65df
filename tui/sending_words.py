"""What is not yet at Stripe, in the few words a header has room for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from meterdeck.core.model.health_items import age_words
from meterdeck.core.model.wording import counted
from meterdeck.tui import phrases
from meterdeck.tui.themes import Role

if TYPE_CHECKING:
    from meterdeck.core.model.health import Sending

_PATIENCE_S = 60.0
"""Beyond the flush interval; so long a busy worker may need."""
_BAD_S = 3600.0


def unsent(sending: Sending | None, flush_s: int, *, wide: bool) -> tuple[str, Role]:
    """Return what is late or has nobody to bring it; "" while all is on its way.

    Args:
        flush_s: The longest flush interval: usage may wait so long.
    """
    if sending is None:
        return "", Role.MUTED
    if not sending.workers:
        return _nobody(sending, wide=wide), Role.HIGH
    late_s = sending.oldest_s - flush_s
    if late_s < _PATIENCE_S:
        return "", Role.MUTED
    role = Role.HIGH if late_s > _BAD_S else Role.NEAR
    minutes = timedelta(seconds=sending.oldest_s) // timedelta(minutes=1)
    oldest = age_words(minutes * 60)
    if not wide or not sending.unsent:  # events of track() alone
        return f"unsent for {oldest}", role
    return f"{counted(sending.unsent, 'counter')} unsent for up to {oldest}", role


def _nobody(sending: Sending, *, wide: bool) -> str:
    if sending.silent_since is None:
        return "no worker"
    since = f"no worker since {phrases.clock(sending.silent_since)[:5]}"
    if not wide or not sending.changed:
        return since
    return f"{since}: {counted(sending.changed, 'tenant')} unsent"
