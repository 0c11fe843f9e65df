"""What the console's three users come for, key by key, in a real terminal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from tests.support.running_sandbox import RunningSandbox, running_sandbox
from tests.support.terminal import KEYS, Terminal

ENTER, ESC, TAB = KEYS["enter"], KEYS["escape"], KEYS["tab"]
TENANT = "dalelund-dental"
NAME = "Dalelund Dental"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox in which nobody else does anything."""
    with running_sandbox(tenants=60) as running:
        yield running


def meterdeck(sandbox: RunningSandbox, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command line on the sandbox."""
    return subprocess.run(
        sandbox.command(*words),
        env=sandbox.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def go_back(console: Terminal, *, leaving: str, to: str) -> None:
    """Press Esc, wait for the screen before: a key that came with it would be Alt."""
    console.send(ESC)
    console.wait_for(lambda shown: leaving not in shown and to in shown)


def test_on_call_over_ssh_sees_who_is_at_the_limit_and_hands_over(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    """80×24, sixteen colours: who, whether it reaches Stripe, what changed, a note."""
    far = {**sandbox.environment, "SSH_CONNECTION": "10.0.0.9 5 10.0.0.1 22"}
    far |= {"TERM": "xterm", "COLORTERM": ""}
    argv = sandbox.command()
    with Terminal(argv, columns=80, rows=24, env=far, cwd=tmp_path) as console:
        console.wait_for("FULL")
        console.send("/at:limit")
        console.wait_for("6 tenants")
        console.send(ENTER + ESC)
        console.wait_for(lambda s: "of 60" in s)
        console.send("b")
        console.wait_for("Group by")
        console.send("r")
        console.wait_for("▾ at limit  6 tenants")
        console.send("b")
        console.wait_for("Group by")
        console.send("n")
        console.wait_for(lambda s: "▾" not in s)
        for key, text in {
            "H": "noeviction",
            "D": "nobody has compared yet",
            "A": "BEFORE → AFTER",
            "O": "no override is in force",
            "L": "Alerts",
            "p": "AT LIMIT",
        }.items():
            console.send(key)
            console.wait_for(text)
            go_back(console, leaving=text, to="TENANT · worst")
        console.send("M")
        console.wait_for("Shift handoff: sandbox")
        go_back(console, leaving="Shift handoff", to="TENANT · worst")
        console.send("q")
        assert console.wait_end() == 0
    [note] = tmp_path.glob("meterdeck-sandbox-handoff-*.md")
    assert NAME in note.read_text()
    # No colour that a terminal of sixteen does not have, and no mouse taken.
    assert not re.search(rb"[34]8;[25];", console.received)
    assert b"\x1b[?1000h" not in console.received


def test_support_finds_a_tenant_raises_its_limit_and_takes_it_back(
    sandbox: RunningSandbox,
) -> None:
    """By what the customer's mail says: why refused, a limit until later, undo."""
    refused = meterdeck(sandbox, "consume", TENANT, "api_calls=1", "--yes")
    assert refused.returncode == 1
    with (
        Redis.from_url(sandbox.redis_url, decode_responses=True) as redis,
        Terminal(sandbox.command(), env=sandbox.environment) as console,
    ):
        customer = str(redis.hget(f"meterdeck:tenant:{TENANT}", "customer"))
        console.wait_for("FULL")
        console.send("J" + customer + ENTER)
        console.wait_for(lambda s: "Audit trail" in s and NAME in s)
        console.wait_for("Refus")

        console.send("o")
        console.wait_for("Override a limit")
        console.send("2000" + TAB * 2 + "ticket 4711")
        console.wait_for("1,000 (plan)  →  2,000 until")
        console.send(ENTER * 3)  # confirms nothing
        console.wait_for("ticket 4711")
        assert not redis.smembers("meterdeck:overridden")
        console.send(KEYS["ctrl+s"])
        console.wait_for(lambda s: "Override a limit" not in s and "ticket 4711" in s)
        allowed = meterdeck(sandbox, "consume", TENANT, "api_calls=1", "--yes")
        assert allowed.returncode == 0

        console.send("O")
        console.wait_for(lambda s: "AT THE END" in s and "ticket 4711" in s)
        go_back(console, leaving="AT THE END", to="Audit trail")
        console.send("u")
        console.wait_for("Undo a change")
        console.send("customer upgraded" + KEYS["ctrl+s"])
        console.wait_for(lambda s: "is undone" in s)
        console.send("q")
        assert console.wait_end() == 0
    again = meterdeck(sandbox, "consume", TENANT, "api_calls=1", "--yes")
    assert again.returncode == 1


def test_a_developer_fires_an_event_and_sees_what_stripe_did_with_it(
    sandbox: RunningSandbox,
) -> None:
    """The test event, its answer, and the same with trouble on purpose."""
    with Terminal(sandbox.command(), env=sandbox.environment) as console:
        console.wait_for("FULL")
        console.send(":tenant haligrave-toys" + ENTER)
        console.wait_for(lambda s: "Audit trail" in s and "Haligrave Toys" in s)
        console.send("t")
        console.wait_for("test event")
        console.send("3")
        console.send(KEYS["ctrl+s"])
        console.wait_for("accepted by Stripe")

        console.send("e")
        console.wait_for(lambda s: "l letters" in s and "Haligrave" in s)
        console.send(ENTER)
        console.wait_for("req_")
        go_back(console, leaving="req_", to="following")
        console.send("F")
        console.wait_for("nothing goes wrong")
        console.send("q")
        assert console.wait_end() == 0
