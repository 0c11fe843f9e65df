"""Load settings in layers and resolve the chosen context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from meterdeck.core.model.context import Context
from meterdeck.core.settings.layers import (
    environment_layer,
    file_layer,
    flag_layer,
    without_replaced_secrets,
)
from meterdeck.core.settings.location import Chosen
from meterdeck.core.settings.problems import Origins, as_config_error
from meterdeck.core.settings.resolve import Resolver
from meterdeck.core.settings.schema import Settings
from meterdeck.core.settings.secrets import Vault


@dataclass(frozen=True, slots=True)
class Loaded:
    """Validated settings, where they came from, and the context that is meant."""

    settings: Settings
    origins: Origins
    chosen: Chosen


def load(
    chosen: Chosen,
    environ: Mapping[str, str],
    flags: Mapping[str, str],
    *,
    with_stripe: bool,
    with_key: bool,
) -> Context:
    """Return a context of the file; see `meterdeck.core.settings.load_context`."""
    loaded = layered(chosen, environ, flags)
    vault = Vault(environ, chosen.path)
    resolver = Resolver(loaded.settings, loaded.origins, vault)
    return resolver.context(chosen.context, with_stripe=with_stripe, with_key=with_key)


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
