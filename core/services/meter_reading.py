"""What a client can be asked without changing anything."""

from __future__ import annotations

from decimal import Decimal

from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import RefusalRecord
from meterdeck.core.model.quantity import exact_amount, exact_units
from meterdeck.core.model.usage import ResourceKind, Usage
from meterdeck.core.services.guarded import Guarded
from meterdeck.core.services.kinds import check_kind
from meterdeck.core.services.usage import UsageService
from meterdeck.core.services.uses import Uses


class MeterReading:
    """The reading half of a `MeterClient`."""

    def __init__(self, context: Context, usage: UsageService, guarded: Guarded) -> None:
        self._context = context
        self._usage = usage
        self._guarded = guarded
        self._uses = Uses()

    async def peek(self, tenant: str) -> tuple[Usage, ...]:
        """Return what is used and left, without taking any of it.

        Usage that is still spooled is not in it.

        Raises:
            BadInput: The name cannot be a tenant's.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        with self._uses:
            return await self._guarded.read(lambda: self._usage.peek(tenant))

    async def usage(self, tenant: str) -> tuple[Usage, ...]:
        """Return the same as `peek`: each resource's usage in its current period."""
        return await self.peek(tenant)

    async def refusals(
        self, tenant: str, *, limit: int = 100
    ) -> tuple[RefusalRecord, ...]:
        """Return a tenant's latest refusals by a limit, newest first.

        Args:
            limit: At most so many; about 1,000 are kept.

        Raises:
            BadInput: An argument is wrong.
            RedisUnreachable, RedisRefused: They could not be read.
        """
        with self._uses:
            return await self._guarded.read(
                lambda: self._usage.refusals(tenant, limit=limit)
            )

    def check_consumable(self, resource: str) -> None:
        """Accept a resource that `consume` counts.

        Raises:
            NotFound: It is not configured.
            BadInput: Another call is for it; the sentence says which.
        """
        found = self._context.resource(resource)
        check_kind(found, ResourceKind.COUNTER, ResourceKind.GAUGE)

    def units(self, resource: str, amount: str | int | Decimal) -> int:
        """Return an amount in a resource's smallest unit, which everything here takes.

        With scale 3, `"1.5"` is 1500. Exact, or refused.

        Raises:
            NotFound: The resource is not configured.
            BadInput: It is finer than the scale, negative, beyond 2^53, no number, or
                a float.
        """
        return exact_units(amount, self._context.resource(resource).scale)

    def amount(self, resource: str, units: int) -> Decimal:
        """Return what units of a resource stand for: 1500 with scale 3 is 1.5.

        Raises:
            NotFound: The resource is not configured.
            BadInput: The units are no whole number.
        """
        return exact_amount(units, self._context.resource(resource).scale)
