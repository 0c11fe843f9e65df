"""Whether settings that a page shows are settings: read as a part of a whole file."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomlkit

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings import load_context

_AROUND = """
[resources.api_calls]
[resources.images]
[resources.storage_gb]
scale = 3
[plans.pro.limits]
[meters.tokens]
event_name = "tokens"
[contexts.production]
mode = "live"
[contexts.production.redis]
url = "redis://127.0.0.1:6379/0"
[contexts.production.stripe]
api_key = { env = "STRIPE_KEY" }
"""
_SECRET = "s" * 32
_ENVIRONMENT = {"STRIPE_KEY": "sk_live_" + "x" * 24}


def settings_problem(shown: str) -> str | None:
    """Return what is wrong with a part of a configuration; None: nothing is.

    Files that it names for secrets are there; everything else that it does not say is
    that of a small configuration with a context `production`.
    """
    try:
        tree = _over(tomllib.loads(_AROUND), tomllib.loads(shown))
    except tomllib.TOMLDecodeError as error:
        return str(error)
    with tempfile.TemporaryDirectory(prefix="md-") as folder:
        path = Path(folder, "meterdeck.toml")
        path.write_text(tomlkit.dumps(tree))
        for name in _files(tree):
            (path.parent / name).write_text(_SECRET)
            (path.parent / name).chmod(0o600)
        try:
            load_context(config=path, context="production", environ=_ENVIRONMENT)
        except ConfigError as error:
            return str(error)
    return None


def _over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _over(before, value)
        else:
            merged[key] = value
    return merged


def _files(tree: object) -> list[str]:
    if isinstance(tree, dict):
        if set(tree) == {"file"}:
            return [str(tree["file"])]
        return [name for value in tree.values() for name in _files(value)]
    return []
