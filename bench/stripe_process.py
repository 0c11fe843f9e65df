"""A local Stripe in a process of its own: `python -m bench.stripe_process`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.load import TENANTS
from bench.machine import move
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer

KEY = "sk_test_bench"
METER = "api_requests"


@dataclass(frozen=True, slots=True)
class RunningStripe:
    """Where it listens, and Stripe's ids of the customers `bench.load` names."""

    base_url: str
    customers: tuple[str, ...]
    pid: int

    def customer(self, name: str) -> str:
        """Return the customer of a tenant."""
        return self.customers[int(name.removeprefix("t"))]


@contextmanager
def running_stripe(customers: int = TENANTS) -> Iterator[RunningStripe]:
    """Run one with so many customers on another core for the time of the block."""
    argv = [sys.executable, "-m", "bench.stripe_process", str(customers)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        move(process.pid, 1)
        base_url, *ids = json.loads(process.stdout.readline())
        try:
            yield RunningStripe(base_url, tuple(ids), process.pid)
        finally:
            process.stdin.close()  # which it takes for the end


async def serve() -> None:
    """Serve until standard input ends."""
    local = LocalStripe(api_key=KEY)
    formula = {"formula": "sum"}
    meter = {"display_name": METER, "event_name": METER, "default_aggregation": formula}
    local.call("POST", "/v1/billing/meters", meter)
    customers = [
        local.call("POST", "/v1/customers", {"name": "Bench"})["id"]
        for _ in range(int(sys.argv[1]))
    ]
    async with LocalStripeServer(local) as server:
        print(json.dumps([server.base_url, *customers]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
