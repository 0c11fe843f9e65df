"""Enter that is held down repeats; a dialog takes no repeat for an answer."""

from __future__ import annotations

from time import monotonic

REPEAT_S = 0.3
"""Enter within this time of the Enter before is a held key, and ignored."""


class EnterGuard:
    """Tells a new press of Enter from the repeat of a held key.

    Made with its dialog: an Enter that follows at once was for what was there before.
    """

    def __init__(self) -> None:
        self._at = monotonic()

    def held(self) -> bool:
        """Note an Enter, and tell whether it is a repeat."""
        now = monotonic()
        held = now - self._at < REPEAT_S
        self._at = now
        return held
