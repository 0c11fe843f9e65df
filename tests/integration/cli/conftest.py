"""The command line on a real Valkey and a local Stripe, each test with empty ones."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from tests.integration.cli.shop import Shop
from tests.support.proxy import Proxy
from tests.support.schemas import problems
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.tui.cli.commands import build_parser
from meterdeck.tui.cli.main import main

METERDECK = str(Path(sys.executable).with_name("meterdeck"))
API_KEY = "sk_test_sandbox"
CONFIG = """
default_context = "staging"

[resources.api_calls]
label = "API calls"
unit = "call"
meter = "api_requests"
[resources.storage_gb]
label = "Storage"
unit = "GB"
meter = "storage_gb"
scale = 3

[plans.free.limits]
api_calls = 1000
[plans.pro]
lookup_keys = ["pro_monthly"]
[plans.pro.limits]
api_calls = 100_000
storage_gb = "50.5"
"""
CONTEXT = """
[contexts.{name}]
mode = "{mode}"
default_plan = "free"
[contexts.{name}.redis]
url = "{redis}"
timeout_seconds = 10
"""
STRIPE = """
[contexts.{name}.stripe]
api_key = {{ env = "STRIPE_KEY" }}
api_base = "{stripe}"
"""

T = TypeVar("T")


@cache
def grammar(named: frozenset[str]) -> argparse.ArgumentParser:
    """Return the parser, once: making it takes longer than most commands do."""
    return build_parser(sorted(named))


@dataclass(frozen=True)
class Done:
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that was printed."""
        (line,) = self.out.splitlines()
        return json.loads(line)


@dataclass(frozen=True)
class CommandLine:
    """Runs meterdeck in this process, or as the installed program."""

    config: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Done:
        """Run a command in this process; its JSON is as docs/reference says."""
        self.capsys.readouterr()
        parser = grammar(frozenset(words) & {"sandbox", "demo"})
        code = main([*words, "--config", str(self.config)], parser)
        printed = self.capsys.readouterr()
        if "--json" in words:
            for line in printed.out.splitlines():
                assert problems(words, json.loads(line)) == [], words
        return Done(code, printed.out, printed.err)

    def program(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start the installed program."""
        return subprocess.Popen(
            [METERDECK, *words, "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )

    def finished(self, *words: str, **environ: str) -> Done:
        """Run the installed program to its end."""
        with self.program(*words, **environ) as process:
            out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err)


@pytest.fixture
def store(valkey_server: Valkey) -> Iterator[redis.Redis]:
    """A plain client of the server, with nothing in it."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        yield client


@contextmanager
def in_a_thread(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run a server in a thread of its own: commands have this one's event loop."""
    started, running = threading.Event(), []
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        async with server as entered:
            running.append(entered)
            started.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(30)
    try:
        yield running[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(30)
        loop.close()


@pytest.fixture
def stripe_server() -> Iterator[tuple[Seller, str]]:
    """A local Stripe, and its address."""
    local = LocalStripe(api_key=API_KEY, seed=7)
    with in_a_thread(LocalStripeServer(local)) as server:
        yield Seller(local), server.base_url


@pytest.fixture
def redis_link(cli: CommandLine, valkey_server: Valkey) -> Iterator[Proxy]:
    """What loses answers of Redis: every command's way there."""
    with in_a_thread(Proxy(valkey_server.url)) as proxy:
        text = cli.config.read_text()
        cli.config.write_text(text.replace(valkey_server.url, proxy.url))
        yield proxy


@pytest.fixture
def stripe_link(
    stripe_cli: CommandLine, stripe_server: tuple[Seller, str]
) -> Iterator[Proxy]:
    """What loses requests to Stripe: every command's way there."""
    with in_a_thread(Proxy(stripe_server[1])) as proxy:
        text = stripe_cli.config.read_text()
        own = proxy.url.removesuffix("/0")
        stripe_cli.config.write_text(text.replace(stripe_server[1], own))
        yield proxy


@pytest.fixture
def cli(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    valkey_server: Valkey,
    store: redis.Redis,
) -> CommandLine:
    """Contexts staging (test), production (live) and away, none with Stripe."""
    for name in [name for name in os.environ if name.startswith("METERDECK_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    text = CONFIG
    for name, mode in (("staging", "test"), ("production", "live")):
        text += CONTEXT.format(name=name, mode=mode, redis=valkey_server.url)
    text += CONTEXT.format(name="away", mode="test", redis="redis://127.0.0.1:1")
    path = tmp_path / "meterdeck.toml"
    path.write_text(text)
    return CommandLine(path, capsys)


@pytest.fixture
def acme(store: redis.Redis) -> str:
    """A tenant of plan pro in the directory."""
    entry: dict[Any, Any] = {
        "name": "Acme Corp",
        "customer": "cus_acme",
        "subscription": "sub_acme",
        "plan": "pro",
        "status": "active",
        "limit:api_calls": "100000",
        "limit:storage_gb": "50500",
    }
    store.hset("meterdeck:tenant:acme", mapping=entry)
    store.sadd("meterdeck:tenants", "acme")
    return "acme"


@pytest.fixture
def stripe_cli(
    cli: CommandLine,
    stripe_server: tuple[Seller, str],
    monkeypatch: pytest.MonkeyPatch,
    valkey_server: Valkey,
) -> CommandLine:
    """The same with a context `billed` that has Stripe, and the default."""
    monkeypatch.setenv("STRIPE_KEY", API_KEY)
    values = {"name": "billed", "mode": "test", "redis": valkey_server.url}
    text = cli.config.read_text().replace('"staging"', '"billed"', 1)
    text += CONTEXT.format(**values) + STRIPE.format(
        name="billed", stripe=stripe_server[1]
    )
    cli.config.write_text(text)
    return cli


@pytest.fixture
def shop(
    stripe_cli: CommandLine,
    stripe_server: tuple[Seller, str],
    store: redis.Redis,
    acme: str,
) -> Shop:
    """Acme with a meter and a customer in Stripe, and a billing cycle."""
    seller, _ = stripe_server
    seller.meter()
    customer = seller.customer()
    cycle = {"anchor": "1793491200", "interval": "month", "interval_count": "1"}
    entry: dict[Any, Any] = {"customer": customer, **cycle}
    store.hset("meterdeck:tenant:acme", mapping=entry)
    return Shop(stripe_cli, store, customer)
