"""Names of tenants that this user's commands have shown, for the shell's completion."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.settings.replaced_file import read_whole, replace_whole

MOST = 2000
_LARGEST = 262_144


def seen_tenants(folder: Path, context: str) -> list[str]:
    """Return the names seen in a context, newest first; none where none were kept."""
    names = _read(folder).get(context, [])
    return [name for name in names if isinstance(name, str)]


def remember_tenants(folder: Path, context: str, names: Iterable[str]) -> None:
    """Keep the names that were shown in a context, at most `MOST`; a best effort."""
    kept = _read(folder)
    fresh = [name for name in names if name.isprintable()][:MOST]
    new = list(dict.fromkeys([*fresh, *seen_tenants(folder, context)]))[:MOST]
    if new == kept.get(context):
        return
    text = json.dumps({**kept, context: new}, sort_keys=True)
    if len(text) > _LARGEST:
        return
    path = _path(folder)
    with suppress(MeterdeckError, OSError):  # a full disk stops no command
        folder.mkdir(parents=True, exist_ok=True)
        replace_whole(path, _bytes(path), text.encode())


def _path(folder: Path) -> Path:
    return folder / "tenants.json"


def _bytes(path: Path) -> bytes:
    with suppress(MeterdeckError, OSError):
        return read_whole(path)
    return b""


def _read(folder: Path) -> dict[str, list[object]]:
    text = _bytes(_path(folder))
    if not text or len(text) > _LARGEST:
        return {}
    with suppress(ValueError):
        read = json.loads(text)
        if isinstance(read, dict):
            return {k: v for k, v in read.items() if isinstance(v, list)}
    return {}
