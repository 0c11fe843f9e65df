"""Load settings in layers and resolve the chosen context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from meterdeck.core.model.context import Context, Mode
from meterdeck.core.settings.endpoints import redis_address, stripe_base
from meterdeck.core.settings.layers import (
    environment_layer,
    file_layer,
    flag_layer,
    without_replaced_secrets,
)
from meterdeck.core.settings.location import SANDBOX, Chosen, check_start
from meterdeck.core.settings.problems import Origins, as_config_error
from meterdeck.core.settings.resolve import Resolver
from meterdeck.core.settings.running_sandbox import find_sandbox
from meterdeck.core.settings.schema import Settings
from meterdeck.core.settings.secrets import Vault


@dataclass(frozen=True, slots=True)
class Loaded:
    """Validated settings, where they came from, and the context that is meant."""

    settings: Settings
    origins: Origins
    chosen: Chosen


def load(
    *,
    config: Path | None,
    context: str | None,
    environ: Mapping[str, str],
    flags: Mapping[str, str],
    with_stripe: bool = True,
) -> Context:
    """Do what `meterdeck.core.settings.load_context` says."""
    chosen = check_start(config=config, context=context, environ=environ)
    if chosen.context == SANDBOX:
        sandbox = _sandbox(environ, flags)
        return sandbox if with_stripe else replace(sandbox, stripe=None)
    loaded = layered(chosen, environ, flags)
    vault = Vault(environ, chosen.path)
    resolver = Resolver(loaded.settings, loaded.origins, vault)
    return resolver.context(chosen.context, with_stripe=with_stripe)


def layered(
    chosen: Chosen, environ: Mapping[str, str], flags: Mapping[str, str]
) -> Loaded:
    """Merge the layers and validate them whole, every context of the file.

    Raises:
        ConfigError: With the file and key, variable or flag that is wrong.
    """
    layers = without_replaced_secrets(
        [
            file_layer(chosen.path, chosen.tree),
            environment_layer(environ, chosen.tree),
            flag_layer(chosen.context, flags),
        ]
    )
    origins = Origins(layers)
    try:
        return Loaded(Settings.of(layers), origins, chosen)
    except ValidationError as error:
        # Not chained: a validation error carries the values it was given.
        raise as_config_error(error, origins) from None


def _sandbox(environ: Mapping[str, str], flags: Mapping[str, str]) -> Context:
    # Only the sandbox pays for its own catalogue.
    from meterdeck.core.sandbox.catalogue import sandbox_context  # noqa: PLC0415

    found = find_sandbox(environ)
    redis_url = redis_address(flags.get("redis_url", found.redis_url), "--redis-url")
    if redis_url.password is not None:
        Vault(environ, None).allow_plain("--redis-url")
    base = flags.get("stripe_api_base", found.stripe_api_base)
    context = sandbox_context(
        redis_url=redis_url.url,
        stripe_api_base=stripe_base(base, Mode.SANDBOX, "--stripe-api-base"),
        api_key=found.api_key,
    )
    return replace(context, read_only=context.read_only or "read_only" in flags)
