"""Fetch a secret from where it is kept, at the moment it is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Secret
from meterdeck.core.settings.layers import Path_
from meterdeck.core.settings.private_file import check_private, read_private
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.schema import SecretFrom

DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Vault:
    """What fetching needs: the environment, and the file that paths are relative to."""

    environ: Mapping[str, str]
    config: Path | None

    def fetch(self, source: SecretFrom, where: str) -> Secret:
        """Return the secret; nothing of it is ever part of an error.

        Raises:
            ConfigError: It is not there, or is kept where others can read it.
        """
        if source.env is not None:
            text = self._from_environment(source.env, where)
        elif source.file is not None:
            path = self.path(source.file)
            text = read_private(path, where, credential=self._is_credential(path))
        elif source.command is not None:
            text = _from_command(source.command, where)
        else:
            assert source.value is not None
            self.allow_plain(where)
            text = source.value.get_secret_value()
        return Secret(_one_line(text, where))

    def allow_plain(self, where: str) -> None:
        """Refuse a secret written into a file that others can read, or into a flag.

        Raises:
            ConfigError: Says the chmod to run, or where to put the secret instead.
        """
        if where.startswith("--"):
            raise ConfigError(
                where,
                "a secret on the command line is seen by every user of this machine",
                "leave it out and set it in the file or the environment",
            )
        if not where.startswith("environment ") and self.config is not None:
            credential = self._is_credential(self.config)
            check_private(self.config.stat(), self.config, where, credential=credential)

    def path(self, file: str) -> Path:
        """Return where a file is: a relative name starts at the configuration."""
        path = Path(file).expanduser()
        return path if self.config is None else self.config.parent / path

    def _from_environment(self, name: str, where: str) -> str:
        text = self.environ.get(name, "")
        if not text:
            raise ConfigError(
                where, f"the environment variable {name} is not set", "export it first"
            )
        return text

    def _is_credential(self, path: Path) -> bool:
        """Tell whether a file is where systemd puts those of this service alone."""
        folder = self.environ.get("CREDENTIALS_DIRECTORY", "")
        return bool(folder) and path.parent == Path(folder)


def secret_where(origins: Origins, path: Path_) -> str:
    """Name the setting that says where a secret is; it may be a table's key."""
    kinds = (path, *((*path, kind) for kind in ("env", "file", "command", "value")))
    known = (kind for kind in kinds if origins.source(kind) is not None)
    return origins.where(next(known, path))


def _from_command(command: tuple[str, ...], where: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell, from the user's file
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may quote the secret
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"{command[0]} gave no answer in {DEADLINE_S:g} s"
        raise ConfigError(where, problem, "does it wait for a password?") from None
    except OSError as error:
        problem = f"{command[0]} cannot be run: {error.strerror}"
        raise ConfigError(where, problem) from None
    if done.returncode != 0:
        problem = f"{command[0]} ended with status {done.returncode}"
        raise ConfigError(where, problem, "run it by hand to see why")
    return done.stdout.decode("utf-8", "replace")


def _one_line(text: str, where: str) -> str:
    secret = text.strip()
    if not secret:
        raise ConfigError(where, "the secret found there is empty")
    if not secret.isprintable() or " " in secret:
        raise ConfigError(where, "the secret found there is not a single word")
    return secret
