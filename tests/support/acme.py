"""Tenant acme on a server: what it has used, and where that is kept."""

from tests.support.contexts import CALLS
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

ACME = TenantId("acme")
ACTOR = Actor("ada", "local")


async def used(usage: UsageService, resource: str = CALLS) -> object:
    """Return what acme has used."""
    rows = await usage.peek("acme")
    return next(each.used for each in rows if each.resource == resource)


async def this_month(redis: Redis) -> str:
    """Return the server's current month label."""
    return calendar_month(await server_time(redis)).label


async def counter_key(
    redis: Redis, layout: KeyLayout, resource: str = CALLS, tenant: str = "acme"
) -> bytes:
    """Name a counter of this month."""
    return layout.counter(tenant, resource, await this_month(redis))


def adjustment(
    kind: AdjustKind,
    amount: int = 0,
    *,
    expected: int | None = None,
    bill: Bill = Bill.QUOTA_ONLY,
    tenant: TenantId = ACME,
) -> Adjustment:
    """Return a change of acme's API calls."""
    return Adjustment(tenant, CALLS, kind, amount, expected, bill, "counted twice")


async def everything(redis: Redis, layout: KeyLayout) -> dict[bytes, bytes]:
    """Return each key with its serialised value.

    On a cluster without the indexes of all tenants: they are written before it is
    known whether there will be a change, and may name too much.
    """
    early = {layout.audited(), layout.overridden()} if layout.tagged else set()
    keys = set(await ask(redis, "KEYS", "*")) - early
    return {key: await ask(redis, "DUMP", key) for key in keys}


async def reset(
    changes: OperatorChanges,
    resource: ResourceName,
    operation_id: str,
    *,
    expected: int | None = None,
) -> bool:
    """Reset acme's counter; tell whether it was done before."""
    wish = Adjustment(
        TenantId("acme"),
        resource,
        AdjustKind.RESET,
        0,
        expected,
        Bill.QUOTA_ONLY,
        "paid",
    )
    done = await changes.adjust(wish, actor=ACTOR, operation_id=operation_id)
    return done.replayed
