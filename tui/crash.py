"""What is left of a fault: one sentence, and a trace without local variables."""

from __future__ import annotations

import os
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

from meterdeck.core.model.secret import without_secrets
from meterdeck.core.model.text import visible

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Crash:
    """A fault of the program, as told to the person in front of it.

    Attributes:
        sentence: What happened, where, and where the trace is.
    """

    sentence: str

    @classmethod
    def of(cls, error: BaseException) -> Crash:
        """Write the trace to a file only its owner can read; secrets are masked."""
        trace = "".join(traceback.format_exception(error))
        # Who reads it with `cat` must not meet what a customer called himself.
        lines = without_secrets(trace).split("\n")
        trace = "\n".join(visible(line, _LONGEST) for line in lines)
        where = _place(error)
        try:
            kept = f"the trace is in {_write(trace)}"
        except OSError as problem:
            kept = f"the trace could not be written: {problem.strerror}"
        return cls(f"meterdeck stopped: {type(error).__name__} {where}; {kept}")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "somewhere"
    last = frames[-1]
    return f"in {Path(last.filename).name}:{last.lineno}"


def _write(trace: str) -> Path:
    state = os.environ.get("METERDECK_STATE_DIR")
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    folder = Path(state) if state else Path(home) / "meterdeck"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes a new file with mode 0600.
    handle, name = tempfile.mkstemp(prefix="crash-", suffix=".txt", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(trace)
    return Path(visible(name, 1000))
