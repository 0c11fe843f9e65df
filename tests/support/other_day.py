"""Run a command on another day: `… -m tests.support.other_day "2027-01-01 00:03" …`.

For the whole of it, servers too, the clock is set to then (UTC) and goes on. Counters
begin anew on the first of a month, so what holds today may not hold then. Needs Linux
and a C compiler.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def main() -> None:
    """Become the command."""
    day, *command = sys.argv[1:]
    wanted = datetime.fromisoformat(day).replace(tzinfo=UTC)
    ahead_s = round((wanted - datetime.now(UTC)).total_seconds())
    library = Path(tempfile.mkdtemp(prefix="day-")) / "other_day.so"
    compiler = os.environ.get("CC", "cc")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)],
        check=True,
    )
    clock = {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": str(ahead_s)}
    environment = {**os.environ, **clock}
    os.execvpe(command[0], command, environment)  # noqa: S606  # it becomes the command


if __name__ == "__main__":
    main()
