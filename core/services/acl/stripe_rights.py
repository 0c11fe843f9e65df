"""Asks Stripe whether its key may do what a role needs; changes nothing there."""

from __future__ import annotations

import asyncio

from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import StripeRefused
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.stripe_permissions import (
    Missing,
    Permission,
    missing_in,
    stripe_permissions,
)


async def missing_permissions(
    gateway: StripeGateway, role: Role
) -> tuple[Missing, ...]:
    """Return what the gateway's key lacks of what a role needs.

    One object of each kind that the role reads is asked for, all at once. What it may
    write cannot be asked without writing: that is not looked at, and the first refusal
    tells, by `missing_in`. A role that needs no key lacks nothing.

    Raises:
        StripeUnreachable: Stripe does not answer.
        StripeRefused: It refuses for another reason than a permission.
    """
    probes = [each for each in stripe_permissions(role) if each.probe]
    found = await asyncio.gather(*(_missing(gateway, each) for each in probes))
    return tuple(each for each in found if each is not None)


async def _missing(gateway: StripeGateway, permission: Permission) -> Missing | None:
    try:
        await gateway.try_reading(permission.probe)
    except StripeRefused as error:
        missing = missing_in(error)
        if missing is None and error.status != 403:
            raise
        return missing or Missing(str(permission))
    return None
