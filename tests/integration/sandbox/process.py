"""The real `meterdeck sandbox` as a child process, and conditions to wait for."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE_S = 30.0
COMMAND = [sys.executable, "-P", "-m", "meterdeck.tui.cli.main", "sandbox"]


@dataclass(frozen=True, slots=True)
class Child:
    """A sandbox that said it is ready."""

    process: subprocess.Popen[str]
    stripe_api_base: str
    redis_url: str
    api_key: str
    state_dir: Path
    webhook_secret: str | None = None

    def ports(self) -> tuple[int, int]:
        """Return the ports of Stripe and Redis."""
        stripe, redis = (
            urlsplit(url).port for url in (self.stripe_api_base, self.redis_url)
        )
        assert stripe
        assert redis
        return stripe, redis

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the code, the rest of the output, the complaints."""
        out, complaints = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, complaints


@contextmanager
def sandbox_child(folder: Path, *flags: str) -> Iterator[Child]:
    """Start a sandbox with its state and temporary files in `folder`."""
    state_dir, temporary = folder / "state", folder / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*COMMAND, "--json", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ
        | {"METERDECK_STATE_DIR": str(state_dir), "TMPDIR": str(temporary)},
    )
    with process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Child(process=process, state_dir=state_dir, **ready)
        finally:
            process.kill()


def listens(port: int) -> bool:
    """Tell whether somebody takes connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def runs(pid: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(met: Callable[[], bool]) -> None:
    """Look every 20 ms until a condition is met; fail after `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        # Between two looks at another process, which tells nobody: no test's outcome
        # depends on how long this is.
        time.sleep(0.02)


async def eventually(met: Callable[[], Awaitable[bool]]) -> None:
    """Look every 20 ms until a condition is met; fail after `PATIENCE_S`."""
    async with asyncio.timeout(PATIENCE_S):
        while not await met():  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.02)
