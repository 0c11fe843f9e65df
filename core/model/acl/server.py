"""Redis servers by product and version: which commands rules may name on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from meterdeck.core.errors import BadInput, Refused

_VERSION = re.compile(r"(?:(redis|valkey)[- ]?)?(\d{1,3})(?:\.(\d{1,3}))?(?:\.\d+)*")
_OLDEST = (7, 0)
# A rule for a command that a server does not know makes it refuse the whole user.
_SINCE: Mapping[str, tuple[int, int]] = {"client|setinfo": (7, 2)}


@dataclass(frozen=True, slots=True)
class Server:
    """A product and its version; Valkey goes on from Redis 7.2."""

    product: str
    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `7.0`, `8`, `redis-7.2` or `valkey-9.1`.

        Raises:
            BadInput: It is none of these, or older than meterdeck works with.
        """
        found = _VERSION.fullmatch(text.strip().lower())
        if found is None:
            raise BadInput(
                f"--server {text}: no version of a server; such as 7.0, 7.2, 8 or"
                " valkey-9.1"
            )
        server = cls(found[1] or "redis", int(found[2]), int(found[3] or 0))
        if (server.major, server.minor) < _OLDEST:
            raise BadInput(f"--server {text}: meterdeck needs Redis 7.0 or newer")
        return server

    @classmethod
    def of_info(cls, info: Mapping[str, Any]) -> Self:
        """Read it from what INFO says.

        Raises:
            Refused: INFO names no version of Redis or Valkey from 7.0 on.
        """
        valkey = info.get("valkey_version")
        version = str(valkey or info.get("redis_version", ""))
        try:
            return cls.parse(f"{'valkey' if valkey else 'redis'}-{version}")
        except BadInput as error:
            raise Refused(
                f"the server calls itself version {version or 'nothing'}; say which"
                " rules it takes by --server"
            ) from error

    def knows(self, command: str) -> bool:
        """Tell whether rules may name a command."""
        return (self.major, self.minor) >= _SINCE.get(command, _OLDEST)

    def __str__(self) -> str:
        return f"{self.product.capitalize()} {self.major}.{self.minor}"
