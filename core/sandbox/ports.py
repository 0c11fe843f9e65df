"""TCP ports of this machine: whether a server could listen there."""

from __future__ import annotations

import errno
import socket

from meterdeck.core.errors import ConfigError

LOOPBACK = "127.0.0.1"


def check_port(flag: str, port: int) -> None:
    """Make sure that `port` can be listened on; 0 is any free one.

    Raises:
        ConfigError: It cannot; the message names `flag`.
    """
    if not port:
        return
    with socket.socket() as probe:
        # As the servers do: connections of the last run may still be winding down.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            problem = "is in use" if taken else "cannot be listened on by this user"
            raise ConfigError(
                flag,
                f"port {port} {problem}",
                "choose another one, or leave the flag out for a free one",
            ) from error
