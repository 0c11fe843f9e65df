"""Standard streams that are closed, full, or read by nobody any more."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes 2 ms
if TYPE_CHECKING:
    from typing import TextIO


def open_closed() -> None:
    """Have what was closed (`2>&-`) lead nowhere.

    Before anything else is opened: a socket that gets its number would be written to
    by whatever complains there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - to stay
            setattr(sys, name, nowhere)


def abandon(stream: TextIO) -> None:
    """Let what is still to be written go nowhere, as Python's own flush at exit."""
    try:
        there = stream.fileno()
    except OSError:  # it is no file
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, there)
    os.close(nowhere)
