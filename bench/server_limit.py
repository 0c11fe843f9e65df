"""How often a server can run one command: the reference for every client."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio as redis_py

from bench.contenders import counter, ours
from bench.load import TENANTS, tenant
from bench.machine import program_version

CONNECTIONS, DEPTH = 50, 16
_RANDOM = "__rand_int__"
_MODEL = f"t{_RANDOM}"
_CSV_COLUMNS_AFTER_NAME = 7

Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Reference:
    """The client that asks the server for all it can do."""

    name: str
    is_redis_benchmark: bool

    def rate(self, path: str, command: Command, requests: int) -> float:
        """Run `command` `requests` times over 50 connections × 16; return calls/s."""
        if self.is_redis_benchmark:
            return _by_redis_benchmark(path, command, requests)
        return _by_raw_client(path, command, requests)


def find_reference() -> Reference:
    """Return redis-benchmark where it is installed, else our raw client."""
    shape = f"-P {DEPTH} -c {CONNECTIONS}"
    if found := program_version(["redis-benchmark", "--version"]):
        return Reference(f"redis-benchmark {found} {shape}", is_redis_benchmark=True)
    return Reference(f"raw client on hiredis, {shape}", is_redis_benchmark=False)


async def consume_command(url: str, limit: int) -> Command:
    """Return what one `consume` sends, with a placeholder in the tenant's name.

    The server itself writes it down, so it is the same script with the same keys
    and arguments, whatever the service is made of.
    """
    async with ours(url, limit) as call, redis_py.Redis.from_url(url) as client:
        await call(_MODEL, 1)  # the script is loaded, so that EVALSHA follows
        async with client.monitor() as monitor:
            await call(_MODEL, 1)
            while True:
                seen = await monitor.next_command()
                words = str(seen["command"]).split(" ")
                if words[0].upper() in ("EVALSHA", "FCALL"):
                    return words


async def check_counted(url: str, at_least: int) -> None:
    """Make sure that what was measured did its work.

    Raises:
        RuntimeError: The counters do not hold `at_least` units in total.
    """
    async with redis_py.Redis.from_url(url) as client:
        values = await client.mget([counter(tenant(i)) for i in range(TENANTS)])
    total = sum(int(value or 0) for value in values)
    if total < at_least:
        raise RuntimeError(f"{at_least} calls counted {total}: they were refused")


def for_tenant(command: Command, name: str) -> list[str]:
    """Return the command with the placeholder replaced by a tenant."""
    return [word.replace(_MODEL, name) for word in command]


def _by_redis_benchmark(path: str, command: Command, requests: int) -> float:
    program = shutil.which("redis-benchmark")
    assert program is not None
    shape = ["-P", str(DEPTH), "-c", str(CONNECTIONS), "-r", str(TENANTS)]
    argv = [program, "-s", path, *shape, "-n", str(requests), "--csv", *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    if "rror" in done.stderr + done.stdout:
        raise RuntimeError(f"redis-benchmark: {done.stderr}{done.stdout}")
    # The first column is the command itself, quotes, commas and all.
    line = done.stdout.strip().splitlines()[-1]
    columns = line.rsplit(",", _CSV_COLUMNS_AFTER_NAME)
    return float(re.sub('"', "", columns[1]))


def _by_raw_client(path: str, command: Command, requests: int) -> float:
    asked = {
        "socket": path,
        "connections": CONNECTIONS,
        "depth": DEPTH,
        "requests": requests,
        "commands": [for_tenant(command, tenant(i)) for i in range(TENANTS)],
    }
    argv = [sys.executable, str(Path(__file__).with_name("raw_client.py"))]
    done = subprocess.run(
        argv, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return float(done.stdout)
