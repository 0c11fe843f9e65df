"""`meterdeck init`: write a configuration to start from, every setting explained."""

from __future__ import annotations

import os
from argparse import Namespace
from importlib.resources import files
from pathlib import Path

from meterdeck.core.errors import BadInput, Refused
from meterdeck.tui.cli.arguments import output_of
from meterdeck.tui.cli.output import note


def run(args: Namespace) -> int:
    """Write the example configuration, private: it may come to hold secrets."""
    path = Path(args.path)
    text = files("meterdeck.core.settings").joinpath("example.toml").read_bytes()
    _write(path, text, replace=args.force)
    out = output_of(args)
    if out.as_json:
        out.object({"path": str(path.absolute())})
    else:
        out.line(f"wrote {path}")
        note("edit it, then look at what it says with: meterdeck config show")
    return 0


def _write(path: Path, text: bytes, *, replace: bool) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text)
            if replace:
                beside.replace(path)
            else:
                path.hardlink_to(beside)  # fails where the file exists
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        raise Refused(f"{path} exists already; --force replaces it") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
