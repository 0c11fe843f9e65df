"""Where the configuration is, and which of its contexts is meant; reads TOML only."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings.file_modes import refuse_open_to_all
from meterdeck.core.settings.nearest import suggest

SANDBOX = "sandbox"
FILE_NAME = "meterdeck.toml"
Tree = dict[str, object]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The file found (None: none), what it holds, and the context's name."""

    path: Path | None
    tree: Tree = field(repr=False)  # secrets may be written in it
    context: str


def find_config(
    config: Path | None = None, environ: Mapping[str, str] | None = None
) -> Path | None:
    """Return the configuration file: flag, METERDECK_CONFIG, here, then home.

    Raises:
        ConfigError: A file that was named does not exist, or cannot be looked for.
    """
    environ = os.environ if environ is None else environ
    if config is not None:
        return _must_exist(config, "--config")
    if named := environ.get("METERDECK_CONFIG"):
        return _must_exist(Path(named).expanduser(), "METERDECK_CONFIG")
    return next((path for path in _places(environ) if _is_there(path)), None)


def _places(environ: Mapping[str, str]) -> tuple[Path, Path]:
    home = environ.get("XDG_CONFIG_HOME", "")
    base = Path(home) if home.startswith("/") else Path("~/.config").expanduser()
    return Path(FILE_NAME), base / "meterdeck" / "config.toml"


def _is_there(path: Path) -> bool:
    """Tell whether there is a file that nobody named, as far as we can look.

    `sudo -u` leaves a program in a working directory that it may not enter.
    """
    try:
        return _is_file(path)
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    # Path.is_file() raises or not for what cannot be looked at, as the Python is.
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _must_exist(path: Path, where: str) -> Path:
    try:
        found = _is_file(path)
    except OSError as error:
        problem = f"{path} cannot be looked for: {error.strerror}"
        raise ConfigError(where, problem) from error
    if not found:
        raise ConfigError(
            where, f"there is no file {path}", "write one with: meterdeck init"
        )
    return path


def read_toml(path: Path) -> Tree:
    """Parse a TOML file.

    Raises:
        ConfigError: It cannot be read or is not TOML; names the file and the line.
    """
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is not UTF-8 text", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        # No chaining: a parser's complaint may quote the line, and a secret in it.
        raise ConfigError(str(path), f"is not valid TOML: {error}") from None


def context_names(
    config: Path | None = None, environ: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the names of the configured contexts, in the file's order.

    Raises:
        ConfigError: The file cannot be read or is not TOML.
    """
    environ = os.environ if environ is None else environ
    path = find_config(config, environ)
    return _names(read_toml(path) if path else {}, environ)


def check_start(
    *,
    config: Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Chosen:
    """Find the file and the context's name: the checks that cost no time.

    Raises:
        ConfigError: No file, not TOML, or no context by that name.
    """
    environ = os.environ if environ is None else environ
    name = context or environ.get("METERDECK_CONTEXT", "")
    where = "--context" if context else "METERDECK_CONTEXT"
    if name == SANDBOX and config is None:
        return Chosen(None, {}, SANDBOX)
    path = find_config(config, environ)
    if path is not None:
        refuse_open_to_all(path)
    tree = read_toml(path) if path else {}
    names = _names(tree, environ)
    if name == SANDBOX:
        return Chosen(path, tree, SANDBOX)
    if not names:
        raise _nothing_configured(path, environ)
    if not name:
        name, where = _default(path, tree, names, environ)
    if name not in names:
        fix = suggest(name, (*names, SANDBOX))
        raise ConfigError(where, f"there is no context {name!r}", fix)
    return Chosen(path, tree, name)


def _default(
    path: Path | None,
    tree: Tree,
    names: tuple[str, ...],
    environ: Mapping[str, str],
) -> tuple[str, str]:
    """Return the default context's name and where it is written."""
    if set_there := environ.get("METERDECK_DEFAULT_CONTEXT"):
        return set_there, "environment METERDECK_DEFAULT_CONTEXT"
    default = tree.get("default_context")
    if isinstance(default, str):
        return default, f"{path}: default_context"
    if len(names) == 1:
        return names[0], str(path)
    raise ConfigError(
        str(path or "environment"),
        f"several contexts ({', '.join(names)}) and no default_context",
        f"choose one with --context {names[0]}",
    )


def _names(tree: Tree, environ: Mapping[str, str]) -> tuple[str, ...]:
    contexts = tree.get("contexts")
    named = list(contexts) if isinstance(contexts, dict) else []
    known = {environment_form(name) for name in named}
    for variable in sorted(environ):
        head, _, rest = variable.partition("METERDECK_CONTEXTS__")
        form, found, _ = rest.partition("__")
        if not head and found and form not in known:
            known.add(form)
            named.append(form.lower())
    return tuple(named)


def environment_form(name: str) -> str:
    """Return how a name is written in an environment variable: `eu-1` is EU_1."""
    return name.upper().replace("-", "_").replace(".", "_")


def _nothing_configured(path: Path | None, environ: Mapping[str, str]) -> ConfigError:
    fix = "try `meterdeck demo`, which needs none, or write one with `meterdeck init`"
    if path is not None:
        return ConfigError(str(path), "has no [contexts.…] section", fix)
    places = " or ".join(f"{place}" for place in _places(environ))
    return ConfigError("configuration", f"there is none in {places}", fix)
