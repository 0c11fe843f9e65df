"""Settings: a TOML file, the environment over it, flags over both.

Importing this package is light. pydantic-settings costs 0.2 to 0.4 s, so it is
imported inside the functions that need the schema.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from meterdeck.core.settings.location import (
    SANDBOX,
    check_start,
    context_names,
    find_config,
)
from meterdeck.core.settings.running_sandbox import state_dir

if TYPE_CHECKING:
    from meterdeck.core.model.context import Context

_NO_FLAGS: Mapping[str, str] = {}

__all__ = [
    "check_start",
    "context_names",
    "find_config",
    "load_context",
    "spool_directory",
    "state_dir",
]


def spool_directory(context: Context, environ: Mapping[str, str] | None = None) -> Path:
    """Return where the library keeps what Redis could not be told; may not exist."""
    default = state_dir(environ) / "spool" / context.name
    return context.library.spool_dir or default


def load_context(
    *,
    config: Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] = _NO_FLAGS,
    with_stripe: bool = True,
    with_key: bool = True,
) -> Context:
    """Return the context to work in, its secrets fetched from where they are kept.

    Args:
        config: File given by flag; else `find_config` looks for one.
        context: Name given by flag; else METERDECK_CONTEXT, `default_context`, or
            the only one there is.
        environ: The environment; the process's own by default.
        flags: Single values that win over everything: `redis_url`,
            `stripe_api_base`, `read_only`.
        with_stripe: False leaves Stripe out and its key where it is: an application
            that only counts need not hold it. Secrets of webhooks are left, too.
        with_key: False leaves Stripe out as well, but its settings are checked, and
            every other secret is fetched.

    Raises:
        ConfigError: Anything is missing or wrong; one sentence says what and where.
    """
    environ = os.environ if environ is None else environ
    chosen = check_start(config=config, context=context, environ=environ)
    if chosen.context == SANDBOX:
        from meterdeck.core.settings.of_sandbox import (  # noqa: PLC0415  # rare
            context_of_sandbox,
        )

        sandbox = context_of_sandbox(environ, flags)
        left_out = not (with_stripe and with_key)
        return replace(sandbox, stripe=None) if left_out else sandbox
    # pydantic-settings costs 0.3 s; the console paints first.
    from meterdeck.core.settings.loading import load  # noqa: PLC0415

    return load(chosen, environ, flags, with_stripe=with_stripe, with_key=with_key)
