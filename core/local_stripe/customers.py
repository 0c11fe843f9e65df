"""`/v1/customers`."""

from __future__ import annotations

from dataclasses import replace

from meterdeck.core.local_stripe import customer_invoicing as invoicing
from meterdeck.core.local_stripe import subscriptions
from meterdeck.core.local_stripe.clock_rules import attach
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import in_range, page_of
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.records import Customer
from meterdeck.core.local_stripe.refusals import no_such
from meterdeck.core.local_stripe.schema import (
    EXPAND,
    METADATA,
    PAGE,
    TIME_RANGE,
    Integer,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)
from meterdeck.core.local_stripe.wire import Json, in_wire_order, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/customers"
_LINES = ("city", "country", "line1", "line2", "postal_code", "state")
_CLEARABLE = Text(clearable=True)
_ADDRESS = Section(dict.fromkeys(_LINES, _CLEARABLE), clearable=True)
_FIELDS: dict[str, Kind] = {
    "address": _ADDRESS,
    "balance": Integer(),
    "business_name": Text(150, clearable=True),
    "description": _CLEARABLE,
    "email": Text(512, clearable=True),
    "individual_name": Text(150, clearable=True),
    "invoice_prefix": Text(12),
    "invoice_settings": invoicing.SETTINGS,
    "metadata": METADATA,
    "name": Text(256, clearable=True),
    "next_invoice_sequence": Integer(1),
    "phone": Text(20, clearable=True),
    "preferred_locales": ListOf(Text()),
    "shipping": Section(
        {"address": _ADDRESS, "name": Text(), "phone": _CLEARABLE},
        required=("address", "name"),
        clearable=True,
    ),
    "tax_exempt": Text(choices=("exempt", "none", "reverse"), clearable=True),
    **dict.fromkeys(
        (
            "cash_balance",
            "source",
            "tax",
            "validate",
        ),
        Unsupported(),
    ),
    **EXPAND,
}
_CREATE = Section(
    {
        **_FIELDS,
        "test_clock": Text(),
        **dict.fromkeys(("payment_method", "tax_id_data"), Unsupported()),
    }
)
_UPDATE = Section({**_FIELDS, "default_source": Unsupported()})
_LIST = Section(
    {
        "created": TIME_RANGE,
        "email": Text(512),
        "test_clock": Text(),
        **PAGE,
    }
)


def render(customer: Customer) -> Json:
    """Give the customer object, or what is left of a deleted one."""
    if customer.deleted:
        return {"id": customer.id, "object": "customer", "deleted": True}
    view: Json = {
        "id": customer.id,
        "object": "customer",
        "address": customer.address,
        "balance": customer.balance,
        "created": seconds(customer.created),
        "currency": customer.currency,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": customer.description,
        "discount": None,
        "email": customer.email,
        "invoice_prefix": customer.invoice_prefix,
        "invoice_settings": invoicing.render(customer),
        "livemode": False,
        "metadata": dict(customer.metadata),
        "name": customer.name,
        "next_invoice_sequence": customer.next_invoice,
        "phone": customer.phone,
        "preferred_locales": list(customer.preferred_locales),
        "shipping": customer.shipping,
        "tax_exempt": customer.tax_exempt,
        "test_clock": customer.test_clock,
    }
    # Newer than any recorded answer, in which customers without them have no such keys.
    names = {
        "business_name": customer.business_name,
        "individual_name": customer.individual_name,
    }
    given = {key: name for key, name in names.items() if name is not None}
    return in_wire_order({**view, **given}) if given else view


def create(world: World, call: Call) -> Json:
    """Create a customer, on a test clock at that clock's time."""
    clock_id = call.parameters.text("test_clock")
    clock = clock_id and world.test_clocks.get(clock_id, "test_clock")
    blank = Customer(
        id=world.ids.short("cus"),
        created=clock.frozen_time if clock else world.now(),
        invoice_prefix=world.ids.prefix_of_invoices(),
    )
    customer = _written(blank, call.parameters)
    if clock:
        customer = attach(world, clock, customer, "test_clock")
    else:
        world.customers.put(customer)
    world.events.emit("customer.created", render(customer), at=customer.created)
    return render(customer)


def retrieve(world: World, call: Call) -> Json:
    """Give a customer; a deleted one is answered as deleted."""
    return render(world.customers.get(call.id))


def update(world: World, call: Call) -> Json:
    """Change what was sent and nothing else."""
    before = _living(world, call.id)
    after = _written(before, call.parameters)
    world.customers.put(after)
    at = world.time_of(after.id)
    world.events.emit("customer.updated", render(after), render(before), at)
    return render(after)


def delete(world: World, call: Call) -> Json:
    """Delete a customer for good and cancel its subscriptions."""
    return render(remove(world, _living(world, call.id)))


def remove(world: World, customer: Customer) -> Customer:
    """Delete a customer that lives."""
    at = world.time_of(customer.id)
    for each in world.subscriptions.grouped(customer.id):
        if not each.ended:
            subscriptions.end(world, each, at)
    deleted = replace(customer, deleted=True)
    world.customers.put(deleted)
    world.events.emit("customer.deleted", render(customer), at=at)
    return deleted


def list_(world: World, call: Call) -> Json:
    """List the customers that were not deleted, newest first.

    Those on a test clock only when it is named.
    """
    email = call.parameters.text("email")
    test_clock = call.parameters.text("test_clock")

    def keep(customer: Customer) -> bool:
        return (
            not customer.deleted
            and customer.test_clock == test_clock
            and (email is None or customer.email == email)
            and in_range(seconds(customer.created), call.parameters, "created")
        )

    return page_of(world.customers, call.parameters, url=_URL, keep=keep, render=render)


def _living(world: World, customer_id: str) -> Customer:
    customer = world.customers.get(customer_id)
    if customer.deleted:
        raise no_such("customer", customer_id)
    return customer


def _written(before: Customer, sent: Parameters) -> Customer:
    prefix = sent.text("invoice_prefix")
    balance = sent.integer("balance")
    locales = sent.strings("preferred_locales")
    return replace(
        before,
        address=_address(sent, before.address),
        balance=before.balance if balance is None else balance,
        business_name=_text(sent, "business_name", before.business_name),
        description=_text(sent, "description", before.description),
        email=_text(sent, "email", before.email),
        individual_name=_text(sent, "individual_name", before.individual_name),
        invoice_settings=invoicing.settings(before.invoice_settings, sent),
        next_invoice=invoicing.next_number(before.next_invoice, sent),
        invoice_prefix=prefix or before.invoice_prefix,
        metadata=merged(before.metadata, sent),
        name=_text(sent, "name", before.name),
        phone=_text(sent, "phone", before.phone),
        preferred_locales=tuple(locales) or before.preferred_locales,
        shipping=_shipping(sent, before.shipping),
        tax_exempt=sent.text("tax_exempt") or before.tax_exempt,
    )


def _text(sent: Parameters, key: str, before: str | None) -> str | None:
    return sent.text(key) if key in sent else before


def _address(sent: Parameters, before: Json | None) -> Json | None:
    if "address" not in sent:
        return before
    lines = sent.section("address")
    return None if lines is None else {key: lines.text(key) for key in _LINES}


def _shipping(sent: Parameters, before: Json | None) -> Json | None:
    if "shipping" not in sent:
        return before
    shipping = sent.section("shipping")
    if shipping is None:
        return None
    return {
        "address": _address(shipping, None),
        "name": shipping.text("name"),
        "phone": shipping.text("phone"),
    }


OPERATIONS = (
    Operation("POST", _URL, create, _CREATE),
    Operation("GET", _URL, list_, _LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}", update, _UPDATE),
    Operation("DELETE", f"{_URL}/{{}}", delete),
)
