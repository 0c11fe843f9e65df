"""Arming: for how long the console may change something, and why not.

A console starts unarmed and only reads. Where a context is live its name is typed once,
to arm; then single changes ask for it only where undo could not take them back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.text import visible

_MINUTE = 60.0


def seconds_awake_or_not() -> float:
    """Return a clock that goes on while the machine sleeps, in seconds.

    A laptop that was closed for an hour must not open armed.
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def asks_name(context: Context, *, beyond_undo: bool) -> bool:
    """Tell whether a dialog has the context's name typed before it confirms.

    Args:
        beyond_undo: What the dialog does cannot be taken back, or is on a bill.
    """
    return context.mode is Mode.LIVE and (beyond_undo or not context.arm_minutes)


class Arming:
    """Whether changes are allowed now, in one context; it ends by itself.

    Args:
        clock: Seconds that only go up.

    Attributes:
        ran_out: It has ended by itself, and nobody has armed it since.
    """

    def __init__(
        self, context: Context, clock: Callable[[], float] = seconds_awake_or_not
    ) -> None:
        self._context = context
        self._clock = clock
        self._until = 0.0
        self.ran_out = False
        self._armed = self.always and not context.read_only

    @property
    def always(self) -> bool:
        """Whether the context is armed from the start, and without an end."""
        return not self._context.arm_minutes

    @property
    def armed(self) -> bool:
        """Whether changes are allowed now."""
        if self._armed and not self.always and self._clock() >= self._until:
            self._armed, self.ran_out = False, True
        return self._armed

    @property
    def red(self) -> bool:
        """Whether the screen has to be red: armed, and it is live."""
        return self.armed and self._context.mode is Mode.LIVE

    @property
    def left_s(self) -> float:
        """Seconds until it ends by itself; 0 where it is not armed or has no end."""
        if not self.armed or self.always:
            return 0.0
        return max(self._until - self._clock(), 0.0)

    def arm(self) -> None:
        """Allow changes; a read-only context stays as it is."""
        if not self._context.read_only:
            self._armed, self.ran_out = True, False
            self._until = self._clock() + self._context.arm_minutes * _MINUTE

    def disarm(self) -> None:
        """Allow no change any more."""
        self._armed, self.ran_out = False, False

    def refusal(self) -> str:
        """Return why nothing may be changed now, one sentence; "" if it may."""
        if self.armed:
            return ""
        name = visible(self._context.name)
        if self._context.read_only:
            return f"{name} is read-only; its setting read_only = false allows changes"
        if self.ran_out:
            return f"{name} is not armed any more, the time is over; ! arms it again"
        return (
            f"{name} is not armed, nothing was changed;"
            f" press ! to allow changes{self.length()}"
        )

    def length(self) -> str:
        """Return for how long, such as ` for 15 minutes`; "" without an end."""
        minutes = self._context.arm_minutes
        if not minutes:
            return ""
        return f" for {minutes} minute{'' if minutes == 1 else 's'}"

    def words(self) -> str:
        """Return what the header says; it changes once a minute, at last each second.

        Empty where the context says enough: read-only, or a sandbox without an end.
        """
        if self._context.read_only:
            return ""
        if not self.armed:
            return "NOT ARMED"
        if self.always:
            return "" if self._context.mode is Mode.SANDBOX else "ARMED"
        left = int(-(-self.left_s // 1))
        return f"ARMED {left}s" if left < _MINUTE else f"ARMED {-(-left // 60)}m"
