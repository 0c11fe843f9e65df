"""What every command prints of what others have written: text, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from redis import Redis
from tests.integration.cli.conftest import CommandLine
from tests.integration.cli.test_read_only import NOT_RUN, WORDS, leaves, typed
from tests.support.hostile import TEXTS, acts_on_terminals, fill
from tests.support.stripe_account import Seller

from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.tui.cli.commands import build_parser

SAYS = {
    "alerts list", "audit", "cost", "event", "events", "handoff", "health", "letters",
    "override list", "requests list", "tenants", "usage", "why",
}  # fmt: skip
"""Some that are known to print what others wrote."""


def by_request(cli: CommandLine, server: Valkey) -> None:
    """Have the context ask for changes, as bob, so that requests can be listed."""
    mode, url = '[contexts.billed]\nmode = "test"', f'url = "{server.url}"'
    head, found, billed = cli.config.read_text().partition(mode)
    assert found
    named = billed.replace(url, f'{url}\nusername = "bob"', 1)
    cli.config.write_text(f'{head}{mode}\nchanges = "request"{named}')


@pytest.fixture
def bob(store: Redis) -> Iterator[None]:
    """A Redis user who may do everything, for as long as the test runs."""
    store.acl_setuser(
        "bob", enabled=True, nopass=True, keys=["*"], categories=["+@all"]
    )
    yield
    store.acl_deluser("bob")


@pytest.mark.usefixtures("bob")
def test_no_byte_of_others_acts_on_a_terminal_whatever_command_prints_it(
    stripe_cli: CommandLine,
    store: Redis,
    stripe_server: tuple[Seller, str],
    valkey_server: Valkey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On both outputs, as a table and as JSON, each command of the grammar.

    Tenants, reasons, notes, errors and names of others are hostile, and so are the
    arguments: a sentence that refuses one quotes it.
    """
    fill(valkey_server.url)
    by_request(stripe_cli, valkey_server)
    says, wrong = set(), {}
    for number, (name, parser) in enumerate(leaves(build_parser([]))):
        if name in NOT_RUN:
            continue
        text = TEXTS[number % len(TEXTS)]
        for argument in ("tenant", "reason", "members", "identifier", "note"):
            monkeypatch.setitem(WORDS, argument, text)
        words = (*name.split(), *typed(parser), "--read-only")
        for form in ((), ("--json",)):
            if form and "--json" not in parser.format_usage():
                continue
            done = stripe_cli(*words, *form)
            printed = (done.out + done.err).encode("utf-8", "surrogatepass")
            assert "meterdeck stopped" not in done.err, done
            if found := acts_on_terminals(printed):
                wrong[" ".join((*words, *form))] = found
            if form and done.out:
                for line in done.out.splitlines():
                    json.loads(line)
            if b"EVIL" in printed:
                says.add(name)
            elif not form and name not in SAYS:
                break  # nor does it as JSON

    assert wrong == {}
    assert says >= SAYS, SAYS - says
