"""The entry point: parse, dispatch, and end with the right code.

Nothing is imported here that Python has not loaded anyway: argparse comes with the
grammar, a command's own module and the engine behind it when the command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from meterdeck.core.version import VERSION
from meterdeck.tui.cli.streams import abandon, open_closed

TYPE_CHECKING = False  # typing takes 2 ms
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from meterdeck.core.errors import MeterdeckError

INTERRUPTED = 130


def main(
    argv: Sequence[str] | None = None, parser: ArgumentParser | None = None
) -> int:
    """Run one command and return its exit code.

    0 done, 1 refused or not found, 2 wrong use or configuration, 3 Redis or Stripe
    out of reach, 4 asked for and not answered yet, 130 interrupted.

    Args:
        parser: What `build_parser` returned before, for a process of many commands.
    """
    open_closed()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments, parser)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = 0
    except Exception as error:  # the last line: a trace may hold what is secret
        code = _fault(error)
    return _handed_on(code)


def _run(arguments: list[str], parser: ArgumentParser | None) -> int:
    if arguments == ["--version"]:
        sys.stdout.write(f"meterdeck {VERSION}\n")
        return 0
    if "_ARGCOMPLETE" in os.environ:
        return _complete()
    if sorted(arguments) == ["--json", "--version"]:
        arguments = ["version", "--json"]
    # What is written from here on is of customers or secret: nobody else's to read.
    os.umask(0o077)
    # After the version, so that asking for it does not wait for argparse.
    from meterdeck.core.errors import MeterdeckError  # noqa: PLC0415
    from meterdeck.tui.cli.commands import build_parser  # noqa: PLC0415

    try:
        parser = parser or build_parser(arguments)
        parsed = parser.parse_args(arguments)
        return _handed_on(_dispatch(parsed.handler, parsed), parsed)
    except MeterdeckError as error:
        return _report(error, as_json="--json" in arguments)


def _complete() -> int:
    """Answer a shell that completes a line: argcomplete's protocol."""
    from meterdeck.tui.cli.completion import answer  # noqa: PLC0415 - each key counts

    answer(os.environ.get("COMP_LINE", ""))
    return 1  # not reached: the answer ends the process


def _dispatch(handler: object, parsed: object) -> int:
    """Call a handler: a function, or the `module:function` that names one."""
    if isinstance(handler, str):
        # The point of it: no command pays for the imports of another.
        from importlib import import_module  # noqa: PLC0415

        module, _, name = handler.partition(":")
        handler = getattr(import_module(module), name)
    assert callable(handler)
    return int(handler(parsed))


def _report(error: MeterdeckError, as_json: bool) -> int:
    from meterdeck.tui.cli.failure import report  # noqa: PLC0415 - errors alone pay

    return report(error, as_json=as_json)


def _fault(error: Exception) -> int:
    from meterdeck.tui.cli.failure import fault  # noqa: PLC0415 - faults alone pay

    return fault(error)


def _handed_on(code: int, parsed: object = None) -> int:
    """Hand on what was printed; return the code, which that does not change.

    Of 0 alone becomes 3, where the answer is lost and no reader (`| head`) has left.
    """
    out = getattr(parsed, "out", None)
    lost: OSError | None = out.lost if out else None
    try:
        sys.stdout.flush()
    except OSError as error:
        lost = lost or error
    if lost is None:
        return code
    abandon(sys.stdout)
    if isinstance(lost, BrokenPipeError):
        return code
    from meterdeck.tui.cli.failure import unheard  # noqa: PLC0415 - rare

    return unheard(lost, code, getattr(parsed, "begun", None))


if __name__ == "__main__":
    sys.exit(main())
