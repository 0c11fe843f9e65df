"""What systemd hears of the worker, on a socket as it makes one."""

import asyncio
import socket
from pathlib import Path

from meterdeck.core.adapters.service_manager import ServiceManager


async def test_a_service_says_that_it_is_ready_alive_and_ending(tmp_path: Path) -> None:
    """READY first, WATCHDOG at least twice in its time, STOPPING at the end."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.setblocking(False)
        environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "7"}
        service = ServiceManager(environ, pid=7)
        alive = asyncio.create_task(service.ready_and_alive())
        loop = asyncio.get_running_loop()

        async with asyncio.timeout(10):
            said = [(await loop.sock_recv(manager, 4096)).decode() for _ in range(4)]
        alive.cancel()
        service.stopping()
        while not said[-1].startswith("STOPPING"):
            said.append(manager.recv(4096).decode())

    assert said[0].splitlines()[0] == "READY=1"
    assert set(said[1:-1]) == {"WATCHDOG=1"}


async def test_without_a_manager_and_without_a_reader_nothing_happens(
    tmp_path: Path,
) -> None:
    """No socket, one that is gone, and a watchdog meant for another process."""
    gone = {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"}
    for environ in ({}, gone, {**gone, "WATCHDOG_PID": "8"}):
        service = ServiceManager(environ, pid=7)
        service.tell("READY=1")
        service.stopping()

    async with asyncio.timeout(5):  # another's watchdog is none: it ends by itself
        await ServiceManager({**gone, "WATCHDOG_PID": "8"}, pid=7).ready_and_alive()
