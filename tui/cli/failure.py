"""Tell a person or a program why a command did not do what was asked."""

from __future__ import annotations

import json
import sys

from meterdeck.core.errors import Asked, Conflict, MeterdeckError, UnknownOutcome
from meterdeck.core.model.secret import without_secrets
from meterdeck.core.model.text import visible

_LONGEST = 2000


def report(error: MeterdeckError, *, as_json: bool) -> int:
    """Print the sentence, or with `--json` the error object, and return the code."""
    if as_json and isinstance(error, Asked):
        print(json.dumps({"asked": asked_form(error)}))
    elif as_json:
        print(json.dumps({"error": _form(error)}))
    else:
        sentence = visible(without_secrets(str(error)), _LONGEST)
        print(f"meterdeck: {sentence}", file=sys.stderr)
    return error.exit_code


def interrupted(operation_id: str, *, as_json: bool) -> None:
    """Tell of a change that was sent, and not waited for: it may have been done."""
    report(UnknownOutcome("the interrupted change", operation_id), as_json=as_json)


def asked_form(error: Asked) -> dict[str, object]:
    """Return what was asked for and is not answered yet."""
    return {
        "request": error.request,
        "waiting_for": error.waiting_for,
        "message": str(error),
    }


def fault(error: Exception) -> int:
    """Tell of a fault of ours: one sentence, and where the trace is; return 1."""
    from meterdeck.tui.crash import Crash  # noqa: PLC0415  # rare

    print(Crash.of(error).sentence, file=sys.stderr)
    return 1


def _form(error: MeterdeckError) -> dict[str, object]:
    message = without_secrets(str(error))
    form: dict[str, object] = {"type": type(error).__name__, "message": message}
    if isinstance(error, UnknownOutcome):
        form["operation_id"] = error.operation_id
    if isinstance(error, Conflict):
        form["expected"] = error.expected
        form["actual"] = error.actual
    return form
