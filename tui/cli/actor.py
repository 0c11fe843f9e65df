"""Who is at the keyboard, for the audit trail."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping

from meterdeck.core.model.changes import Actor

_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(%[0-9A-Za-z_.-]+)?")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")


def current_actor(environ: Mapping[str, str] | None = None) -> Actor:
    """Return the login name and where the session came from.

    The name is the system's for this process, not the LOGNAME anybody can set;
    under sudo the person behind root is named. The origin is `ssh ADDRESS` or
    `local`. Both are what this machine says: Redis does not check them.
    """
    environ = os.environ if environ is None else environ
    return Actor(name=_name(environ), origin=_origin(environ))


def _name(environ: Mapping[str, str]) -> str:
    user = os.geteuid()
    try:
        login = pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user without an entry
        login = f"uid {user}"
    behind = environ.get("SUDO_USER", "")
    if user == 0 and _LOGIN.fullmatch(behind) and behind != login:
        return f"{behind} (sudo as {login})"
    return login


def _origin(environ: Mapping[str, str]) -> str:
    address = environ.get("SSH_CONNECTION", "").partition(" ")[0]
    if not address:
        return "local"
    return f"ssh {address}" if _ADDRESS.fullmatch(address) else "ssh"
