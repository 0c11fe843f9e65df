"""Billing records for tests: what is wanted of a counter, and how it is settled."""

from tests.support.contexts import CALLS

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.model.delivery import Wanted
from meterdeck.core.model.periods import Period, calendar_month
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId


async def wanted(
    redis: Redis, tenant: str = "acme", resource: ResourceName = CALLS
) -> Wanted:
    """Ask for this month's counter, at once."""
    period = calendar_month(await server_time(redis))
    return of_period(period, tenant, resource)


def of_period(
    period: Period, tenant: str = "acme", resource: ResourceName = CALLS
) -> Wanted:
    """Ask for the counter of a period, at once."""
    counter = CounterId(TenantId(tenant), resource, period.label)
    return Wanted(counter, "api_requests", "cus_1", 0, period, flush_s=0)
