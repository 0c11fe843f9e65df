"""Reading parsed arguments; loads no engine."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from meterdeck.core.errors import BadInput
from meterdeck.tui.cli.output import Output

_FLAGS = ("redis_url", "stripe_api_base")


def config_of(args: Namespace) -> Path | None:
    """Return the file named by `--config`."""
    named = getattr(args, "config", None)
    return Path(named) if named else None


def flags_of(args: Namespace) -> Mapping[str, str]:
    """Return the settings that were given as flags."""
    flags = {name: str(getattr(args, name)) for name in _FLAGS if hasattr(args, name)}
    if getattr(args, "read_only", False):
        flags["read_only"] = "true"
    return flags


def output_of(args: Namespace) -> Output:
    """Return where the answer goes, in the form that was asked for."""
    out = Output(as_json=getattr(args, "as_json", False))
    args.out = out
    return out


def operation_id_of(args: Namespace) -> str:
    """Return the id given with `--operation-id`, or a new one; the change begins.

    Whoever interrupts it from here on is told by which id it is repeated.
    """
    given: str | None = args.operation_id
    args.begun = uuid4().hex if given is None else given
    return str(args.begun)


def call_id_of(args: Namespace) -> str | None:
    """Return the id given with `--call-id`, if there is one; counting begins."""
    given: str | None = args.call_id
    args.begun = given or ""
    return given


def begun_by(args: Namespace) -> str | None:
    """Return the id of the change that was begun, empty for none; else None."""
    begun: str | None = getattr(args, "begun", None)
    return begun


def count_of(args: Namespace) -> int:
    """Return `-n`, which must be 1 or more.

    Raises:
        BadInput: It is not.
    """
    count: int = args.n
    if count < 1:
        raise BadInput(f"-n {count}: write a number of 1 or more")
    return count
