"""Which permissions of a restricted Stripe key each role needs.

For `doctor`: `stripe_permissions(role)` is what is needed, `missing_in(refusal)` reads
which one Stripe missed from its refusal, and
`meterdeck.core.services.acl.stripe_rights.missing_permissions` finds out by reading one
object of each kind, which changes nothing. That a key may *write* cannot be asked
without writing: it is learned from the first refusal.

The resources are named as Stripe's dashboard names them when a restricted key is made;
`code` is what Stripe's refusals call the permission. Where that is not known, nothing
but the refusal's own words can tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from meterdeck.core.errors import StripeRefused
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.text import visible

_CODE = re.compile(r"'?(rak_[a-z0-9_]+?)_(read|write)'?")
_REFUSED = 403
_MORE = "more_permissions_required"


class Access(StrEnum):
    """What a permission allows; Write includes Read."""

    READ = "Read"
    WRITE = "Write"


@dataclass(frozen=True, slots=True)
class Permission:
    """One line of the form in which a restricted key is made.

    Attributes:
        resource: As the dashboard names it.
        why: What meterdeck does with it.
        code: What refusals call the resource, without `_read` or `_write`.
        probe: A list to read one object of; empty where there is none.
    """

    resource: str
    access: Access
    why: str
    code: str
    probe: str = ""

    def __str__(self) -> str:
        return f"{self.resource}: {self.access}"


_CUSTOMERS = Permission(
    "Customers", Access.READ, "who the tenants are", "rak_customer", "/v1/customers"
)
_SUBSCRIPTIONS = Permission(
    "Subscriptions",
    Access.READ,
    "plans, billing periods and metered items",
    "rak_subscription",
    "/v1/subscriptions",
)
_EVENTS = Permission(
    "Events",
    Access.READ,
    "what changed, and events that were not counted",
    "rak_event",
    "/v1/events",
)
_METERS = Permission(
    "Billing Meters",
    Access.READ,
    "meters, and what their summaries have",
    "rak_billing_meter",
    "/v1/billing/meters",
)
_PRODUCTS = Permission(
    "Products", Access.READ, "the catalogue", "rak_product", "/v1/products"
)
_PRICES = Permission(
    "Prices", Access.READ, "what usage costs", "rak_plan", "/v1/prices"
)
_INVOICES = Permission(
    "Invoices",
    Access.READ,
    "previews of the next invoice",
    "rak_invoice",
    "/v1/invoices",
)
_METER_EVENTS = Permission(
    "Billing Meter Events",
    Access.WRITE,
    "usage that is sent",
    "rak_billing_meter_event",
)
_ADJUSTMENTS = Permission(
    "Billing Meter Event Adjustments",
    Access.WRITE,
    "events that are cancelled",
    "rak_billing_meter_event_adjustment",
)
_LOOK = (
    _CUSTOMERS, _SUBSCRIPTIONS, _EVENTS, _METERS, _PRODUCTS, _PRICES, _INVOICES,
)  # fmt: skip


def _writing(permission: Permission, why: str) -> Permission:
    return replace(permission, access=Access.WRITE, why=why)


_NEEDED: Mapping[Role, tuple[Permission, ...]] = {
    Role.APPLICATION: (),
    Role.WORKER: (_CUSTOMERS, _SUBSCRIPTIONS, _EVENTS, _METERS, _METER_EVENTS),
    Role.VIEWER: _LOOK,
    Role.SUPPORT: _LOOK,
    Role.REQUESTER: _LOOK,
    Role.CLERK: _LOOK,
    Role.LEAD: (
        *_LOOK,
        replace(_METER_EVENTS, why="test events, outside a live context"),
        _ADJUSTMENTS,
    ),
    Role.DEPLOY: (
        _SUBSCRIPTIONS,
        _writing(_METERS, "meters of the declared catalogue"),
        _writing(_PRODUCTS, "products of the declared catalogue"),
        _writing(_PRICES, "prices of the declared catalogue"),
    ),
}


@dataclass(frozen=True, slots=True)
class Missing:
    """A permission that a key lacks.

    Attributes:
        permission: In the dashboard's words, such as `Customers: Read`; where Stripe
            names one that is not known here, in its own.
    """

    permission: str

    def __str__(self) -> str:
        return (
            f"this Stripe key lacks the permission {self.permission}; edit the"
            " restricted key in Stripe's dashboard, Developers, API keys"
        )


def stripe_permissions(role: Role) -> tuple[Permission, ...]:
    """Return what a restricted key for this role needs; nothing: it needs no key."""
    return _NEEDED[role]


def missing_in(refusal: StripeRefused) -> Missing | None:
    """Return which permission Stripe missed; None where it refused for another reason.

    It names the permission in its sentence, as `'rak_customer_read'`.
    """
    if refusal.status != _REFUSED and refusal.code != _MORE:
        return None
    found = _CODE.search(str(refusal))
    if found is None:
        if refusal.code != _MORE:
            return None
        return Missing(f"that Stripe tells of ({visible(str(refusal), 200)})")
    access = Access(found[2].capitalize())
    resource = _RESOURCES.get(found[1], found[1])
    return Missing(f"{resource}: {access}")


_RESOURCES: Mapping[str, str] = {
    each.code: each.resource for needed in _NEEDED.values() for each in needed
}
