"""A process whose own clock is wrong: what it thinks it is, not what servers say.

The clock of a machine cannot be set by a test, and a library that lies to a process
about it is not installed everywhere. So this replaces the two ways in which our code
and its libraries ask for the time of day.
"""

from __future__ import annotations

import datetime as datetimes
import sys
import time
from datetime import UTC, datetime, tzinfo
from typing import Any

_now = time.time


class _AnyDatetime(type):
    """The true ones are instances of the wrong one, too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def be_wrong_by(seconds: float) -> None:
    """Have this process's clock so many seconds ahead; does not touch `monotonic`."""
    if not seconds:
        return

    class Wrong(datetime, metaclass=_AnyDatetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return datetime.fromtimestamp(time.time(), UTC).replace(tzinfo=None)

    time.time = lambda: _now() + seconds
    for name, module in list(sys.modules.items()):
        ours = name.startswith("meterdeck.") and not name.startswith("meterdeck.tests")
        if ours and vars(module).get("datetime") is datetime:
            vars(module)["datetime"] = Wrong
    datetimes.datetime = Wrong  # type: ignore[misc]  # for modules imported later
