"""`meterdeck scripts`: the scripts' texts, for programs in other languages."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.errors import BadInput, Refused
from meterdeck.tui.cli.arguments import output_of
from meterdeck.tui.cli.output import Cell


def run(args: Namespace) -> int:
    """List the scripts, or write each into a file; no server is asked."""
    texts = script_texts()
    folder = None if args.directory is None else Path(args.directory)
    if folder is not None:
        files = {name: each.text for name, each in texts.items()}
        _write(folder, files, replace=args.force)
    out = output_of(args)
    if out.as_json:
        forms = [
            {"name": name, "sha1": each.digest, "path": _path(folder, name)}
            for name, each in texts.items()
        ]
        out.object({"scripts": forms})
    else:
        out.table(
            [
                (name, Cell(each.digest, firm=True), _path(folder, name) or "")
                for name, each in texts.items()
            ]
        )
    return 0


def _path(folder: Path | None, name: str) -> str | None:
    return None if folder is None else str(folder / f"{name}.lua")


def _write(folder: Path, files: dict[str, bytes], *, replace: bool) -> None:
    """Write every file, or none where one of them would replace another text.

    Raises:
        Refused: A file has another text, and `replace` is not set.
        BadInput: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = folder / f"{name}.lua"
            if not replace and path.exists() and path.read_bytes() != text:
                raise Refused(f"{path} has another text; --force replaces it")
        for name, text in files.items():
            _put(folder / f"{name}.lua", text)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror}") from error


def _put(path: Path, text: bytes) -> None:
    # A program that reads the file meanwhile gets the old text or the new one.
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(text)
    beside.replace(path)
