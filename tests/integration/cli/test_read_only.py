"""Every command, found in the grammar: in a read-only context none of them writes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
from redis import Redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller
from tests.support.writes import written

from meterdeck.tui.cli.commands import build_parser

NOT_RUN = {
    "sandbox": "brings servers of its own",
    "demo": "brings servers of its own",
    "init": "writes a local file, asks no server",
    "pulse": "opens the console, which is shown by its keys",
}
GIVEN = {"--yes", "--repair", "--once", "--fix", "--apply"}
WORDS = {
    "tenant": "acme", "resource": "api_calls", "change": "+5", "reason": "why",
    "limit": "9000", "level": "5", "quantity": "1", "amounts": "api_calls=1",
    "members": "ana", "identifier": "md-1", "identifiers": "md-1", "span": "1h",
    "event_name": "calls", "settings": "429=10%", "preset": "outage", "roles": "viewer",
    "checks": "redis", "shell": "bash",
}  # fmt: skip
"""What is written for an argument of this name; others get a word."""
WRITERS = {
    "adjust", "reset", "undo", "override set", "override clear", "consume", "gauge set",
    "unique add", "track", "fire", "reconcile", "sync", "replay", "resolve", "cancel",
    "compensate", "catalogue apply", "catalogue meter create", "catalogue price create",
    "doctor", "faults set", "faults clear", "faults preset", "faults settle",
    "clock advance", "acl",
}  # fmt: skip
"""Some that are known to write: each says that the context is read-only."""


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command that can be given, by its words."""
    families = [
        each for each in parser._actions if isinstance(each, argparse._SubParsersAction)
    ]
    if not families:
        yield " ".join(path), parser
    for family in families:
        for name, command in family.choices.items():
            yield from leaves(command, (*path, name))


def typed(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield words that a command accepts, and the options with which it would write."""
    choices = [
        g._group_actions[0] for g in parser._mutually_exclusive_groups if g.required
    ]
    for each in parser._actions:
        if each.option_strings and each.option_strings[0] in GIVEN:
            yield each.option_strings[0]
        elif each.required or each in choices or each.dest in ("reason", "preset"):
            if each.option_strings:
                yield each.option_strings[0]
            if each.nargs != 0:
                yield WORDS.get(each.dest, "word")


@pytest.mark.usefixtures("acme")
def test_no_command_writes_in_a_read_only_context(
    stripe_cli: CommandLine, store: Redis, stripe_server: tuple[Seller, str]
) -> None:
    """By the server's own count of commands; Stripe is only asked."""
    asked: list[str] = []

    async def note(method: str, path: str) -> None:
        asked.append(f"{method} {path}")

    text = stripe_cli.config.read_text()
    billed = '[contexts.billed]\nmode = "test"'
    assert billed in text
    stripe_cli.config.write_text(
        text.replace(billed, billed.replace("test", "sandbox"))
    )
    stripe_server[0].local.pace = note
    refused, wrong = set(), {}
    for name, parser in leaves(build_parser([])):
        if name in NOT_RUN:
            continue
        words = (*name.split(), *typed(parser), "--read-only")
        with written(store) as found:
            done = stripe_cli(*words)
        if found or [each for each in asked if not each.startswith("GET ")]:
            wrong[" ".join(words)] = (found, asked.copy(), done)
        asked.clear()
        if done.code == 1 and "read-only" in done.err:
            refused.add(name)
        assert done.code != 2, (words, done)

    assert wrong == {}
    assert refused >= WRITERS
