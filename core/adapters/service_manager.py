"""What systemd is told of a service: that it is ready, alive, or ends (sd_notify)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class ServiceManager:
    """The one that started this process, as NOTIFY_SOCKET names it, if any.

    What cannot be told is left out: a worker does not stop for it.

    Args:
        environ: Where systemd left its address and WATCHDOG_USEC.
        pid: This process's; a watchdog that is meant for another is none.
    """

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # An @ stands for the null byte of a name that is in no file system.
        named = address[:1] in ("/", "@")
        self._address = address.replace("@", "\0", 1) if named else ""
        self._alive_s = _watchdog_s(environ, pid) if named else 0.0

    def tell(self, *states: str) -> None:
        """Send states, as `READY=1`; nothing where nobody listens."""
        if not self._address:
            return
        with suppress(OSError), _open() as door:
            door.sendto("\n".join(states).encode(), self._address)

    async def ready_and_alive(self) -> None:
        """Say that the service is ready, and twice in each watchdog's time that it is
        alive, by the event loop that does the work; until cancelled.
        """
        self.tell("READY=1", "STATUS=delivering")
        while self._alive_s:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self._alive_s / 2)

    def stopping(self) -> None:
        """Say that the service ends: what is on its way is waited for."""
        self.tell("STOPPING=1", "STATUS=waiting for what is on its way")


def service_manager() -> ServiceManager:
    """Return the one of this process, and hide it from those that it starts."""
    found = ServiceManager(os.environ, os.getpid())
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
    return found


def _watchdog_s(environ: Mapping[str, str], pid: int) -> float:
    text = environ.get("WATCHDOG_USEC", "")
    if not text.isdecimal() or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return 0.0
    return int(text) / 1_000_000


def _open() -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.setblocking(False)  # a manager that does not read must not stop a worker
    return door
