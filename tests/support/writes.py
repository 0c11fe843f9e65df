"""What a server was told to write, by its own count of every command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from redis import Redis


@contextmanager
def written(server: Redis) -> Iterator[set[str]]:
    """Collect the writing commands that a server does within the block.

    Commands inside scripts are counted by the server as well; which of them write says
    the server itself.
    """
    found: set[str] = set()
    server.config_resetstat()
    yield found
    stats = server.info("commandstats")
    names = [name.removeprefix("cmdstat_") for name in stats]
    ask = cast("Any", server.execute_command)  # untyped there
    known = ask("COMMAND", "INFO", *names)
    found |= {name for name in names if "write" in known.get(name, {}).get("flags", ())}
