"""Whatever is pressed: a console that may not write does not.

METERDECK_RANDOM_KEYS=minutes presses keys for so long; seconds otherwise.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import cast

import pytest
from redis import Redis
from tests.support.stripe_side import StripeSide, running_stripe
from tests.support.writes import written
from tests.tui.pictures import ACTOR
from tests.tui.scripted_runtime import ScriptedRuntime
from tests.tui.support import Operator

from meterdeck.core.model.context import Context, Mode
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine
from meterdeck.tui.actions import ACTIONS, Area
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.runtime import EngineRuntime

LONG = "METERDECK_RANDOM_KEYS" in os.environ
SECONDS = 60.0 * float(os.environ.get("METERDECK_RANDOM_KEYS", "0")) or 1.0
SEED = 20261126
LEAVING = {"q", "ctrl+z", "ctrl+q", "ctrl+c", "B"}
"""They end the console, stop it, or open a browser: none of them writes."""
MOVING = (
    "enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "space",
    "ctrl+n", "pagedown", "home", "end", "backspace",
)  # fmt: skip
BOUND = sorted({key for each in ACTIONS for key in each.keys.split(",")} - LEAVING)
WRITING = sorted(each.keys for each in ACTIONS if each.writes)
FIRST = sorted(each.keys for each in ACTIONS if each.writes and Area.FLEET in each.area)
LETTERS = "abcdefghijklmnoprstuvwxyz0123456789"


def keys(dice: random.Random) -> Iterator[str]:
    """Yield keys: of actions, to move, to write; and whole changes, confirmed."""
    while True:
        kind = dice.random()
        if kind < 0.3:
            yield dice.choice(BOUND)
        elif kind < 0.5:
            yield dice.choice(MOVING)
        elif kind < 0.6:
            yield dice.choice(LETTERS)
        else:
            yield from (
                "escape",
                "escape",
                dice.choice(WRITING if kind < 0.7 else FIRST),
            )
            for _ in range(dice.randrange(1, 5)):
                yield from (dice.choice("123456789"), "enter")
            yield "ctrl+s"


def in_time() -> Callable[[], bool]:
    """Return what tells whether the time is over, from now on."""
    until = monotonic() + SECONDS
    return lambda: monotonic() > until


@asynccontextmanager
async def sitting(context: Context) -> AsyncIterator[Operator]:
    """Run a console on real servers, with somebody in front of it."""
    runtime = EngineRuntime(lambda: context)
    app = ConsoleApp(runtime, actor=lambda: ACTOR, environ={"TERM": "xterm"})
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        operator = Operator(app, pilot, cast("ScriptedRuntime", runtime))
        await operator.until(lambda: app.picture is not None and app.picture.loaded)
        yield operator
        runtime.drain(5.0)
        runtime.stop()


async def furnish(stripe: StripeSide, server: Valkey) -> None:
    """Leave something of everything that could be changed."""
    for tenant in ("acme", "globex"):
        stripe.subscribed(tenant)
    async with Engine(stripe.context(server.url)) as engine:
        await engine.directory.refresh()
        acme = await engine.directory.get("acme")
        await engine.usage.consume("acme", {"api_calls": 990})
        await engine.changes.set_override(
            "acme", "api_calls", 5000,
            expires_at=None, actor=ACTOR, reason="why", operation_id="one",
        )  # fmt: skip
        await engine.test_events.fire(acme, "api_calls", 1, operation_id="two")


async def pressing(
    operator: Operator, ends: Callable[[], bool], least: int = 40
) -> list[str]:
    """Press random keys, so many at least, until it ends; return them."""
    pressed: list[str] = []
    for key in keys(random.Random(SEED)):  # noqa: S311  # dice, and the same each time
        if len(pressed) >= least and ends():
            break
        pressed.append(key)
        await operator.pilot.press(key)
    assert operator.app.is_running
    return pressed


def told(capsys: pytest.CaptureFixture[str], what: str, pressed: list[str]) -> None:
    """Print the count of a long run."""
    if LONG:
        with capsys.disabled():
            print(f"\n{what}: {len(pressed):,} keys, nothing written")


async def test_random_keys_write_nothing_where_all_is_read_only(
    valkey_server: Valkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The server's own count of commands has no writing one, Stripe was only asked."""
    monkeypatch.chdir(tmp_path)  # what is exported lands here
    async with running_stripe() as stripe:
        with Redis.from_url(valkey_server.url) as server:
            server.flushall()
            await furnish(stripe, valkey_server)
            context = replace(stripe.context(valkey_server.url), read_only=True)
            stripe.requests.clear()
            with written(server) as found:
                async with sitting(context) as operator:
                    pressed = await pressing(operator, in_time())

    assert found == set(), f"after {' '.join(pressed)}"
    asked = {each for each in stripe.requests if not each.startswith("GET ")}
    assert asked == set(), f"after {' '.join(pressed)}"
    told(capsys, "read-only", pressed)


async def test_random_keys_write_nothing_until_the_console_is_armed(
    valkey_server: Valkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody types a live context's name by chance; armed, the same keys did write.

    Without Stripe, as a writable context with it keeps the directory's cache in Redis.
    """
    monkeypatch.chdir(tmp_path)
    async with running_stripe() as stripe:
        with Redis.from_url(valkey_server.url) as server:
            server.flushall()
            await furnish(stripe, valkey_server)
            context = replace(
                stripe.context(valkey_server.url),
                stripe=None,
                mode=Mode.LIVE,
                arm_minutes=15,
            )
            armed = replace(context, mode=Mode.TEST, arm_minutes=0)
            with written(server) as before:
                async with sitting(armed) as operator:
                    changed = await pressing(
                        operator, lambda: "cmdstat_xadd" in server.info("commandstats")
                    )
            with written(server) as found:
                async with sitting(context) as operator:
                    pressed = await pressing(operator, in_time(), len(changed))

    assert before
    assert found == set(), f"after {' '.join(pressed)}"
    told(capsys, "live and not armed", pressed)
