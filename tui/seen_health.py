"""What the console has seen already of a context's health."""

from __future__ import annotations

from meterdeck.core.services.health import Seen
from meterdeck.tui import fault_words
from meterdeck.tui.picture import Picture


def seen_in(picture: Picture) -> Seen:
    """Return it; belongs to the screen's thread, as the picture does."""
    faults = tuple(fault_words.in_short(picture.faults))
    user = picture.role.user
    return Seen(picture.stripe, picture.spool, picture.letters, faults, user)
