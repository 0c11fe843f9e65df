"""The places of a soak: folders, addresses, and a configuration that names them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.proxy import Proxy
from tests.support.running_sandbox import METERDECK, child_environment

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.sandbox_control import SandboxControl
from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.settings import load_context

APPLICATIONS = ("app-a", "app-b", "plain")
"""Two that use the library, and one that knows nothing but INCR."""
WORKERS = ("worker-1", "worker-2")
CONTEXT = "soak"
KEY = "sk_test_sandbox"
_UP_S = 300.0

_TOP = """\
default_context = "soak"

[resources.api_calls]
label = "API calls"
meter = "api_requests"
on_fault = "fail_open"
flush_seconds = 2

[resources.storage_gb]
label = "Storage"
unit = "GB"
scale = 3
meter = "storage_gb"
flush_seconds = 2

[resources.images]
meter = "images"
period = "billing_cycle"
flush_seconds = 2

[resources.renders]
meter = "renders"
billed_by = "events"
on_fault = "fail_open"

[resources.disk]
kind = "gauge"
meter = "disk"
on_fault = "fail_open"
flush_seconds = 2

[plans.free]
lookup_keys = ["free_monthly"]
limits = { api_calls = 1_000, storage_gb = 1, images = 50 }
[plans.starter]
lookup_keys = ["starter_monthly"]
limits = { api_calls = 10_000, storage_gb = 25, images = 500 }
[plans.pro]
lookup_keys = ["pro_monthly"]
limits = { api_calls = 100_000, storage_gb = 250, images = 5_000 }
[plans.scale]
lookup_keys = ["scale_monthly"]
limits = { api_calls = 1_000_000, storage_gb = 2_500, images = 50_000 }
[plans.enterprise]
lookup_keys = ["enterprise_monthly"]
[plans.enterprise.limits]
api_calls = "unlimited"
storage_gb = "unlimited"
images = "unlimited"

[alerts.near_limit]
percent = [80, 100]
[alerts.late]
lag = "5s"
severity = "critical"
"""

_CONTEXT = """
[contexts.{name}]
mode = "sandbox"
default_plan = "free"
override_needs_expiry = false
arm_minutes = 0

[contexts.{name}.redis]
url = "{redis}"

[contexts.{name}.stripe]
api_key = "{key}"
api_base = "{stripe}"
poll_seconds = 1.0
timeout_seconds = 3.0

[contexts.{name}.library]
spool_directory = "{spool}"
spool_megabytes = 1

[contexts.{name}.delivery]
events_per_second = 1_000
takeover_seconds = 3.0
reconcile_minutes = 1
"""


@dataclass(frozen=True)
class World:
    """Where everything is.

    Attributes:
        proxies: By whom, between it and Redis.
        doors: By worker, between it and Stripe.
    """

    folder: Path
    stripe_port: int
    redis_port: int
    tenants: int
    proxies: dict[str, Proxy]
    doors: dict[str, Proxy]
    context: Context
    redis: Redis
    panel: SandboxControl

    @property
    def config(self) -> Path:
        """The configuration of all programs."""
        return self.folder / "config.toml"

    @property
    def environment(self) -> dict[str, str]:
        """What every program is started with."""
        return child_environment(METERDECK_STATE_DIR=str(self.folder / "state"))

    def command(self, *words: str, context: str = CONTEXT) -> list[str]:
        """Return a meterdeck command line."""
        return [METERDECK, *words, "--config", str(self.config), "--context", context]

    @property
    def sandbox(self) -> list[str]:
        """Return the command line of the sandbox, on the same data each time."""
        ports = (self.stripe_port, self.redis_port)
        flags = [
            f"--{n}-port={p}" for n, p in zip(("stripe", "redis"), ports, strict=True)
        ]
        data = f"--data-dir={self.folder / 'data'}"
        fleet = [f"--tenants={self.tenants}", "--seed=1", "--operators"]
        own = ["--no-traffic", "--no-worker", "--json"]
        return [METERDECK, "sandbox", *flags, data, *fleet, *own]

    async def until_up(self) -> None:
        """Wait until both servers answer.

        Raises:
            TimeoutError: They do not.
        """
        async with asyncio.timeout(_UP_S):
            while not await self._answers():  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.1)

    async def _answers(self) -> bool:
        try:
            await self.panel.look()
            await self.redis.ping()
        except (MeterdeckError, OSError, ConnectionError):
            return False
        return True


@asynccontextmanager
async def world(folder: Path, tenants: int) -> AsyncIterator[World]:
    """Lay everything out in a folder; no program runs yet."""
    stripe_port, redis_port = _free_port(), _free_port()
    redis_url = f"redis://127.0.0.1:{redis_port}/0"
    stripe_url = f"http://127.0.0.1:{stripe_port}"
    async with AsyncExitStack() as stack:
        proxies, doors = {}, {}
        for name in (*WORKERS, *APPLICATIONS):
            proxies[name] = await stack.enter_async_context(Proxy(redis_url))
        for name in WORKERS:
            doors[name] = await stack.enter_async_context(Proxy(stripe_url))
        texts = [_TOP, _section(folder, CONTEXT, redis_url, stripe_url)]
        for name, proxy in proxies.items():
            base = stripe_url if name not in doors else _root(doors[name])
            texts.append(_section(folder, name, proxy.url, base))
        config = folder / "config.toml"
        config.touch(mode=0o600)
        config.write_text("".join(texts))
        context = await asyncio.to_thread(load_context, config=config, context=CONTEXT)
        redis = open_redis(context.redis)
        stack.push_async_callback(redis.aclose)
        panel = SandboxControl(stripe_url)
        ports = (stripe_port, redis_port)
        yield World(folder, *ports, tenants, proxies, doors, context, redis, panel)


def _section(folder: Path, name: str, redis: str, stripe: str) -> str:
    spool = folder / "spool" / name
    return _CONTEXT.format(name=name, redis=redis, stripe=stripe, key=KEY, spool=spool)


def _root(door: Proxy) -> str:
    parts = urlsplit(door.url)
    return f"{parts.scheme}://{parts.netloc}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
