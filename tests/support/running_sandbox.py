"""`meterdeck sandbox` as a user starts it: a process of its own, found by its state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

METERDECK = str(Path(sys.executable).with_name("meterdeck"))
_END_S = 20.0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that is ready.

    Attributes:
        environment: With it a command finds this sandbox and no other.
        addresses: What its ready line said: stripe_api_base, redis_url, api_key.
        ready_s: Seconds from starting the command to the line that says it is ready.
    """

    redis_url: str
    environment: Mapping[str, str]
    ready_s: float
    addresses: Mapping[str, str]
    process: subprocess.Popen[str]

    def command(self, *words: str) -> list[str]:
        """Return a meterdeck command line for this sandbox."""
        return [METERDECK, *words, "--context", "sandbox"]


@contextmanager
def running_sandbox(
    *, tenants: int = 200, traffic: bool = False, operators: bool = False
) -> Iterator[RunningSandbox]:
    """Run a sandbox with a state directory of its own.

    Args:
        traffic: Simulated programs move the counters, and a worker delivers; without,
            nobody does.
        operators: Operators have set overrides and corrected a counter already.

    Raises:
        RuntimeError: It ended instead of getting ready.
    """
    with tempfile.TemporaryDirectory(prefix="md-") as state:
        environment = child_environment(METERDECK_STATE_DIR=state)
        argv = [METERDECK, "sandbox", "--json"]
        argv += [] if traffic else ["--no-traffic", "--no-worker"]
        argv += ["--operators"] if operators else []
        argv += ["--tenants", str(tenants), "--seed", "1"]
        started = time.monotonic()
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, env=environment, text=True
        ) as process:
            try:
                yield _ready(process, environment, started)
            finally:
                process.terminate()
                process.wait(_END_S)


def child_environment(**extra: str) -> dict[str, str]:
    """Return the environment of a program that runs as an installation does.

    Where this process may not write compiled modules, each start of another would
    compile them anew. The size of the terminal is the terminal's own: what pytest-xdist
    sets for its processes is nobody's.
    """
    dropped = (
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONWARNINGS",
        "NO_COLOR",
        "COLUMNS",
        "LINES",
    )
    own = ("METERDECK_CONFIG", "METERDECK_CONTEXT")
    kept = {k: v for k, v in os.environ.items() if k not in (*dropped, *own)}
    return kept | extra


def _ready(
    process: subprocess.Popen[str], environment: Mapping[str, str], started: float
) -> RunningSandbox:
    assert process.stdout is not None
    line = process.stdout.readline()
    ready_s = time.monotonic() - started
    if not line:
        raise RuntimeError(f"meterdeck sandbox ended with {process.wait()}")
    addresses = json.loads(line)
    return RunningSandbox(
        addresses["redis_url"], environment, ready_s, addresses, process
    )
