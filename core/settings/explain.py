"""Say what the settings are and where each came from; secrets stay where they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel

from meterdeck.core.model.context import Mode
from meterdeck.core.model.secret import HIDDEN
from meterdeck.core.settings.layers import Path_
from meterdeck.core.settings.loading import Loaded, layered
from meterdeck.core.settings.location import (
    SANDBOX,
    check_start,
    find_config,
    read_toml,
)
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.schema import RedisSettings, SecretFrom
from meterdeck.core.settings.shown_address import (
    shown_address,
    shown_host,
    shown_node,
)

_ADDRESSES = (
    ("redis", "url"),
    ("stripe", "api_base"),
    ("stripe", "meter_events_base"),
)


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting: dotted key, its value as text, and what set it."""

    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class ContextSummary:
    """One configured context as a list shows it; `redis` is the address alone."""

    name: str
    mode: Mode
    read_only: bool
    redis: str
    chosen: bool


def explain(
    *,
    config: Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str],
) -> tuple[Explained, ...]:
    """Return what all contexts share and the chosen context, setting by setting.

    Nothing where there is no file and none of the sandbox's settings is replaced.

    No secret is fetched, and none is part of the answer.

    Raises:
        ConfigError: The settings are wrong.
    """
    environ = os.environ if environ is None else environ
    chosen = check_start(config=config, context=context, environ=environ)
    loaded = layered(chosen, environ, flags)
    settings = loaded.settings
    found: list[Explained] = []
    for section, tables in (
        ("resources", settings.resources),
        ("plans", settings.plans),
        ("meters", settings.meters),
        ("products", settings.products),
        ("prices", settings.prices),
        ("alerts", settings.alerts),
    ):
        for name, table in tables.items():
            found += _of_table((section, name), table, loaded.origins)
    if chosen.context in settings.contexts:
        path = ("contexts", chosen.context)
        found += _of_table(path, settings.contexts[chosen.context], loaded.origins)
    if chosen.path is None and not found:
        return ()
    default = ("default_context",)
    return (
        *_of_value(default, settings.default_context, loaded.origins),
        *_of_table(("console",), settings.console, loaded.origins),
        *found,
    )


def summaries(
    *,
    config: Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[ContextSummary, ...]:
    """Return every configured context; no secret is fetched.

    Raises:
        ConfigError: The settings are wrong.
    """
    environ = os.environ if environ is None else environ
    chosen = check_start(config=config, context=context, environ=environ)
    path = find_config(config, environ)
    if path is not None and chosen.path is None:  # the sandbox needs no file
        chosen = replace(chosen, path=path, tree=read_toml(path))
    return tuple(_summaries(layered(chosen, environ, {})))


def _summaries(loaded: Loaded) -> Iterable[ContextSummary]:
    for name, found in loaded.settings.contexts.items():
        yield ContextSummary(
            name=name,
            mode=found.mode,
            read_only=found.read_only,
            redis=_address(found.redis),
            chosen=name == loaded.chosen.context,
        )
    if loaded.chosen.context == SANDBOX:
        yield ContextSummary(SANDBOX, Mode.SANDBOX, False, "", True)


def _of_table(path: Path_, table: BaseModel, origins: Origins) -> Iterable[Explained]:
    for name in type(table).model_fields:
        yield from _of_value((*path, name), getattr(table, name), origins)


def _of_value(path: Path_, value: object, origins: Origins) -> Iterable[Explained]:
    if isinstance(value, SecretFrom):
        yield Explained(
            ".".join(path), _source_of(value), _secret_origin(path, origins)
        )
    elif isinstance(value, BaseModel):
        yield from _of_table(path, value, origins)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _of_value((*path, name), inner, origins)
    elif value is not None:
        shown = _shown(path, value)
        yield Explained(".".join(path), shown, origins.source(path) or "default")


def _shown(path: Path_, value: object) -> str:
    if path[-2:] in _ADDRESSES:
        return shown_address(str(value))
    if path[-1] == "webhook_url":
        return shown_host(str(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        if path[-1] in ("sentinels", "cluster_nodes"):
            value = tuple(shown_node(node) for node in value)
        return ", ".join(_inline(part) for part in value)
    return str(value)


def _inline(part: object) -> str:
    if not isinstance(part, BaseModel):
        return str(part)
    given = part.model_dump(exclude_none=True)
    return f"{{{', '.join(f'{key} = {value}' for key, value in given.items())}}}"


def _source_of(secret: SecretFrom) -> str:
    if secret.env is not None:
        return f"{HIDDEN} (environment {secret.env})"
    if secret.file is not None:
        return f"{HIDDEN} (file {secret.file})"
    if secret.command is not None:
        return f"{HIDDEN} (command {secret.command[0]})"
    return HIDDEN


def _secret_origin(path: Path_, origins: Origins) -> str:
    for kind in ((), ("env",), ("file",), ("command",), ("value",)):
        if source := origins.source((*path, *kind)):
            return source
    return "default"


def _address(found: RedisSettings) -> str:
    if found.sentinels:
        return f"{found.master_name} of {', '.join(map(shown_node, found.sentinels))}"
    return shown_address(found.url)
