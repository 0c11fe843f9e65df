"""The three layers of settings as trees, with where each value came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings.location import Tree, environment_form
from meterdeck.core.settings.nearest import suggest

PREFIX = "METERDECK_"
_NAMED = ("contexts", "resources", "plans", "alerts")
_SINGLE = ("default_context",)
_SECRETS = (
    "password",
    "sentinel_password",
    "tls_key_password",
    "api_key",
    "webhook_secret",
)
FLAGS = {
    "redis_url": ("redis", "url"),
    "stripe_api_base": ("stripe", "api_base"),
    "read_only": ("read_only",),
}
Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A tree of settings; `origins` names the source of each leaf in it."""

    tree: Tree = field(default_factory=dict, repr=False)
    origins: dict[Path_, str] = field(default_factory=dict)

    def put(self, path: Path_, value: object, origin: str) -> None:
        """Set one leaf.

        Raises:
            ConfigError: The place already holds a value that is not a table.
        """
        node = self.tree
        for part in path[:-1]:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(origin, f"{part} already has a value of its own")
            node = inner
        node[path[-1]] = value
        self.origins[path] = origin

    def drop(self, path: Path_) -> None:
        """Take out the leaf or table at `path`, if there is one."""
        node: object = self.tree
        for part in path[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(path[-1], None)
        for leaf in [leaf for leaf in self.origins if leaf[: len(path)] == path]:
            del self.origins[leaf]


def file_layer(path: Path | None, tree: Tree) -> Layer:
    """Return the layer of a TOML file."""
    origins = {leaf: str(path) for leaf in _leaves((), tree)}
    return Layer(tree, origins)


def _leaves(path: Path_, tree: Mapping[str, object]) -> Iterable[Path_]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves((*path, key), value)
        else:
            yield (*path, key)


def flag_layer(context: str, flags: Mapping[str, str]) -> Layer:
    """Return the layer of the command line's flags for `context`."""
    layer = Layer()
    for name, value in flags.items():
        option = "--" + name.replace("_", "-")
        layer.put(("contexts", context, *FLAGS[name]), value, option)
    return layer


def environment_layer(environ: Mapping[str, str], tree: Tree) -> Layer:
    """Return the layer of METERDECK_… variables.

    `METERDECK_CONTEXTS__EU_1__REDIS__URL` sets contexts.eu-1.redis.url: names match
    the file's without regard to case and dashes. Lists are written as JSON.
    Variables without `__` are left alone: secrets may be kept in them.

    Raises:
        ConfigError: A variable with `__` whose first part is no section.
    """
    layer = Layer()
    secrets = set(_secret_variables(tree))
    for variable, value in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in secrets:
            continue
        parts = variable.removeprefix(PREFIX).split("__")
        if len(parts) > 1 or parts[0].lower() in _SINGLE:
            path = _path(variable, parts, tree)
            layer.put(path, _value(variable, value), f"environment {variable}")
    return layer


def without_replaced_secrets(layers: list[Layer]) -> list[Layer]:
    """Let a stronger layer's secret replace a weaker one's whole.

    Merged key by key, `{env = …}` below and `{file = …}` above would be both.
    """
    for position, stronger in enumerate(layers):
        for leaf in stronger.origins:
            place = next((i for i, key in enumerate(leaf) if key in _SECRETS), None)
            if place is not None and leaf[0] == "contexts":
                for weaker in layers[:position]:
                    weaker.drop(leaf[: place + 1])
    return layers


def _path(variable: str, parts: list[str], tree: Tree) -> Path_:
    section = parts[0].lower()
    if section not in (*_NAMED, *_SINGLE) or not all(parts):
        valid = [environment_form(name) for name in _NAMED]
        near = suggest(parts[0], valid)
        raise ConfigError(f"environment {variable}", "no such setting", near)
    path = [section]
    for depth, part in enumerate(parts[1:], 1):
        known: object = None
        if depth == 1:
            known = tree.get(section)
        elif path[0] == "plans" and path[2:] == ["limits"]:
            known = tree.get("resources")
        path.append(_same_name(variable, part, known))
    return tuple(path)


def _same_name(variable: str, part: str, known: object) -> str:
    names = list(known) if isinstance(known, dict) else []
    fitting = [name for name in names if environment_form(name) == part.upper()]
    if len(fitting) > 1:
        raise ConfigError(
            f"environment {variable}",
            f"fits several names: {', '.join(fitting)}",
            "set it in the file",
        )
    return fitting[0] if fitting else part.lower()


def _value(variable: str, text: str) -> object:
    if not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigError(
            f"environment {variable}", "is not a JSON list", 'write it like ["a", "b"]'
        ) from None


def _secret_variables(tree: object) -> Iterable[str]:
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        if key == "env" and isinstance(value, str):
            yield value
        yield from _secret_variables(value)
