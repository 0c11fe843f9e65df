"""What a shell is told when somebody presses Tab: from the grammar, and local names.

No server is asked and no secret fetched. argcomplete reads the grammar; what it does
not know, the names of contexts, resources, views and tenants, comes from the
configuration's text and from what this user's own commands have shown before.
"""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from argcomplete.completers import FilesCompleter, SuppressCompleter
from argcomplete.finders import CompletionFinder
from argcomplete.shell_integration import shellcode

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.settings.location import SANDBOX, context_names, read_toml
from meterdeck.core.settings.location import check_start as chosen_of
from meterdeck.core.settings.running_sandbox import state_dir
from meterdeck.tui.cli.commands import build_parser
from meterdeck.tui.cli.seen_tenants import seen_tenants

PROGRAM = "meterdeck"
Names = Callable[[Namespace], Iterator[str]]


def run(args: Namespace) -> int:
    """Print the script that a shell reads once; it asks this program at each Tab."""
    sys.stdout.write(shell_script(args.shell))
    return 0


def shell_script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`; it ends with a newline."""
    text: str = shellcode([PROGRAM], shell=shell, use_defaults=True)
    return text.strip() + "\n"


def answer(line: str) -> None:
    """Tell the shell what `line` may go on with, and end the process."""
    parser = build_parser(line.split())
    _complete(parser)
    CompletionFinder()(
        parser,
        always_complete_options=False,
        default_completer=SuppressCompleter(),
    )


def _complete(parser: argparse.ArgumentParser) -> None:
    """Say of each argument of the grammar, by its metavar, where its words are."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _complete(inner)
        elif action.dest == "context":
            _give(action, _contexts)
        elif isinstance(action.metavar, str) and action.metavar in _BY_METAVAR:
            _give(action, _BY_METAVAR[action.metavar])
        elif action.metavar in ("FILE", "DIR"):
            files = FilesCompleter(directories=action.metavar == "DIR")
            action.completer = files  # type: ignore[attr-defined]


def _give(action: argparse.Action, names: Names) -> None:
    def completer(parsed_args: Namespace, **_: Any) -> list[str]:
        # Nothing may be said in the middle of a line that is being typed.
        with suppress(MeterdeckError, OSError):
            return [each for each in names(parsed_args) if each.isprintable()]
        return []

    action.completer = completer  # type: ignore[attr-defined]


def _contexts(args: Namespace) -> Iterator[str]:
    yield SANDBOX
    yield from context_names(_config(args))


def _resources(args: Namespace) -> Iterator[str]:
    tree = _tree(args)
    named = tree.get("resources")
    yield from named if isinstance(named, dict) else ()


def _plans(args: Namespace) -> Iterator[str]:
    named = _tree(args).get("plans")
    yield from named if isinstance(named, dict) else ()


def _tenants(args: Namespace) -> Iterator[str]:
    chosen = chosen_of(config=_config(args), context=getattr(args, "context", None))
    yield from seen_tenants(state_dir(), chosen.context)


def _tree(args: Namespace) -> dict[str, object]:
    path = chosen_of(config=_config(args), context=getattr(args, "context", None)).path
    return read_toml(path) if path else {}


def _config(args: Namespace) -> Path | None:
    named = getattr(args, "config", None)
    return Path(os.path.expanduser(named)) if named else None


_BY_METAVAR: dict[str, Names] = {
    "TENANT": _tenants,
    "RESOURCE": _resources,
    "PLAN": _plans,
}
