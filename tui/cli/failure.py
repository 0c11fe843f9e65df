"""Tell a person or a program why a command did not do what was asked."""

from __future__ import annotations

import json
from contextlib import suppress

from meterdeck.core.errors import Asked, Conflict, MeterdeckError, UnknownOutcome
from meterdeck.core.model.secret import without_secrets
from meterdeck.tui.cli.output import note


def report(error: MeterdeckError, *, as_json: bool) -> int:
    """Print the sentence, or with `--json` the error object, and return the code."""
    if not as_json:
        note(f"meterdeck: {without_secrets(str(error))}")
        return error.exit_code
    with suppress(OSError):  # the code tells it, too
        if isinstance(error, Asked):
            print(json.dumps({"asked": asked_form(error)}))
        else:
            print(json.dumps({"error": _form(error)}))
    return error.exit_code


def interrupted(operation_id: str, *, as_json: bool) -> None:
    """Tell of a change that was sent, and not waited for: it may have been done."""
    report(UnknownOutcome("the interrupted change", operation_id), as_json=as_json)


def unheard(problem: OSError, code: int, begun: str | None) -> int:
    """Tell of an answer that could not be written; return the code.

    Args:
        code: What the command would have ended with.
        begun: The id of its change, empty where that has none; None: it made none.
    """
    said = f"the answer could not be written: {problem.strerror}"
    if begun is not None and code == 0:
        said += "; the change is made"
    if begun:
        said += f"; repeating it with operation id {begun} tells it again"
    note(f"meterdeck: {said}")
    return code or UnknownOutcome.exit_code


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

    note(Crash.of(error).sentence)
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
