"""A refusal for want of a right, explained: what is missing, and which role has it."""

from __future__ import annotations

import re

from meterdeck.core.model.acl.roles import ROLES, Role
from meterdeck.core.model.text import visible

# As Redis 7.0 and Valkey 9 write them, outside scripts and in them, and as ours do.
_COMMAND = (
    re.compile(r"run the '([^']+)' command"),
    re.compile(r"NOPERM ([A-Z]+) on "),
)
_KEY = re.compile(r"NOPERM [A-Z]+ on (\S+?),?(?: script:|$|\))")
_MOST = 4
_SCRIPTED = frozenset({"eval", "evalsha", "fcall"})


def explained(text: str, *, script: str = "") -> str:
    """Return what a refused user lacks and which roles have it; empty: not known.

    Args:
        text: What the server said.
        script: Name of the script that was to run, if it was one.
    """
    command = command_in(text)
    roles = _roles_of_script(script) if script else _roles_of_command(command)
    needs = f"it needs +{command}" if command and command not in _SCRIPTED else ""
    if needs and (key := _KEY.search(text)):
        needs += f" on {visible(key[1], 80)}"
    may = f"roles that may: {', '.join(roles)}" if roles else ""
    return "; ".join(filter(None, (needs, may)))


def command_in(text: str) -> str:
    """Return the command that was refused, in lower case; empty: not known."""
    for pattern in _COMMAND:
        if found := pattern.search(text):
            return visible(found[1].lower(), 40)
    return ""


def _roles_of_script(script: str) -> tuple[Role, ...]:
    return tuple(role for role in Role if script in ROLES[role].needs.scripts)


def _roles_of_command(command: str) -> tuple[Role, ...]:
    if not command or command in _SCRIPTED:
        return ()
    found = tuple(role for role in Role if command in ROLES[role].needs.commands)
    # What most have, each on keys of its own, says nothing.
    return found if len(found) < _MOST else ()
