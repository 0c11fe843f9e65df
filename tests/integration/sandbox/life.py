"""A sandbox that lives in a test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from meterdeck.core.adapters.redis_client import Redis, open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.core.sandbox.sandbox import Sandbox
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.reconcile.reconciler import Scope, Unasked
from meterdeck.core.services.reconcile.reconciliation import Reconciliation
from meterdeck.core.services.reconcile.subjects import Compared

Counters = Mapping[bytes, bytes]

QUIET = SandboxOptions(traffic=False)

FEW = SandboxOptions(traffic=False, tenants=5)
"""For what has nothing to do with who the tenants are."""


@asynccontextmanager
async def living(options: SandboxOptions) -> AsyncIterator[tuple[Sandbox, Redis]]:
    """Run a sandbox in this loop, with a client of its Redis."""
    async with Sandbox(options) as sandbox:
        life = asyncio.create_task(sandbox.run())
        redis = open_redis(sandbox.context.redis)
        try:
            yield sandbox, redis
        finally:
            await redis.aclose()
            life.cancel()
            await asyncio.wait([life])


async def counters(redis: Redis) -> Counters:
    keys = sorted([key async for key in redis.scan_iter("usage:*", 1000)])
    values = await redis.mget(keys) if keys else []
    return dict(zip(keys, values, strict=True))


async def directory(sandbox: Sandbox, redis: Redis) -> dict[TenantId, Tenant]:
    tenants = await Directory(redis, sandbox.context, None).cached()
    return {each.id: each for each in tenants}


async def compared(
    sandbox: Sandbox, redis: Redis, tenants: Mapping[TenantId, Tenant]
) -> list[Compared]:
    """Return what reconciliation says of every counter that was used."""
    context = sandbox.context
    assert context.stripe is not None
    gateway = StripeGateway(context.stripe, context.mode)
    reconciler = Reconciliation(redis, context, gateway).reconciler()
    scope = Scope(tuple(tenants.values()), context.resources)
    results = [each async for each in reconciler.results(scope)]
    await gateway.close()
    assert not [each for each in results if isinstance(each, Unasked)]
    return [each for each in results if isinstance(each, Compared)]
