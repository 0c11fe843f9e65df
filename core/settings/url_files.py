"""The certificates that a Redis URL names: found beside the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.text import visible
from meterdeck.core.settings.endpoints import FILE_OPTIONS, unsplit


def with_files_found(url: str, where: str, find: Callable[[str], Path]) -> str:
    """Return a URL whose certificates and keys are named so that any folder will do.

    Args:
        find: Says where a file is that the configuration names.

    Raises:
        ConfigError: One cannot be read. The client would say only that Redis does not
            answer, and not name the file.
    """
    parts = urlsplit(url)
    options = parse_qsl(parts.query)
    if not any(name in FILE_OPTIONS for name, _ in options):
        return url
    found = [
        (name, _readable(name, find(value), where) if name in FILE_OPTIONS else value)
        for name, value in options
    ]
    query = urlencode(found, safe="/", quote_via=quote)
    return unsplit(parts._replace(query=query), parts.netloc)


def _readable(option: str, path: Path, where: str) -> str:
    absolute = path.absolute()
    try:
        os.close(os.open(absolute, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except (OSError, ValueError) as error:  # the latter: a NUL in its name
        why = error.strerror if isinstance(error, OSError) else error
        problem = f"{option}: {visible(str(absolute))} cannot be read: {why}"
        raise ConfigError(where, problem) from error
    return str(absolute)
