"""What the configuration declares, without the secrets a context needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Mode
from meterdeck.core.model.declared import Declared
from meterdeck.core.settings.loading import layered
from meterdeck.core.settings.location import SANDBOX, check_start
from meterdeck.core.settings.resolve import Resolver
from meterdeck.core.settings.secrets import Vault


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared, for which context, and its file: None where there is none."""

    context: str
    mode: Mode
    declared: Declared
    path: Path | None

    @property
    def name(self) -> str:
        """What the file is called in front of a key."""
        return str(self.path) if self.path else SANDBOX

    @property
    def text(self) -> str:
        """What the file holds; empty without one.

        Raises:
            ConfigError: It cannot be read any more.
        """
        if self.path is None:
            return ""
        try:
            return self.path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(self.name, f"cannot be read: {error}") from error


def load_declaration(
    *,
    config: Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Declaration:
    """Return what is declared; no server is asked and no secret is fetched.

    Raises:
        ConfigError: The settings are wrong.
    """
    environ = os.environ if environ is None else environ
    chosen = check_start(config=config, context=context, environ=environ)
    if chosen.context == SANDBOX:
        return Declaration(SANDBOX, Mode.SANDBOX, _of_sandbox(), None)
    loaded = layered(chosen, environ, {})
    vault = Vault(environ, chosen.path)
    declared = Resolver(loaded.settings, loaded.origins, vault).declared()
    mode = loaded.settings.contexts[chosen.context].mode
    return Declaration(chosen.context, mode, declared, chosen.path)


def _of_sandbox() -> Declared:
    # Only the sandbox pays for its own catalogue.
    from meterdeck.core.sandbox.catalogue import sandbox_context  # noqa: PLC0415

    nowhere = sandbox_context(redis_url="", stripe_api_base="", api_key="")
    return Declared.of(nowhere)
