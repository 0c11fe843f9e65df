"""`/v1/invoices`: what subscriptions brought about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe import invoice_life as life
from meterdeck.core.local_stripe import invoice_schemas as schemas
from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.invoice_records import Invoice, Line
from meterdeck.core.local_stripe.invoice_view import render_line
from meterdeck.core.local_stripe.metadata import merged
from meterdeck.core.local_stripe.operations import Call, Operation
from meterdeck.core.local_stripe.pagination import in_range, page_of
from meterdeck.core.local_stripe.refusals import rejected
from meterdeck.core.local_stripe.schema import EXPAND, PAGE, Section
from meterdeck.core.local_stripe.wire import Json, seconds
from meterdeck.core.local_stripe.world import World

_URL = "/v1/invoices"


def retrieve(world: World, call: Call) -> Json:
    """Give one invoice; a draft's amounts follow the usage."""
    return life.shown(world, world.invoices.get(call.id))


def list_(world: World, call: Call) -> Json:
    """List invoices, newest first."""
    sent = call.parameters
    customer_id, subscription_id = sent.text("customer"), sent.text("subscription")

    def keep(invoice: Invoice) -> bool:
        return (
            subscription_id in {None, invoice.subscription}
            and customer_id in {None, invoice.customer}
            and sent.text("status") in {None, invoice.status}
            and sent.text("collection_method") in {None, invoice.collection_method}
            and in_range(seconds(invoice.created), sent, "created")
        )

    owner = customer_id
    if customer_id is not None:
        world.customers.get(customer_id, "customer")
    if subscription_id is not None:
        owner = world.subscriptions.get(subscription_id, "subscription").customer
    source = world.invoices if owner is None else world.invoices.only(owner)
    return page_of(
        source,
        sent,
        url=_URL,
        keep=keep,
        render=lambda each: life.shown(world, each),
    )


def list_lines(world: World, call: Call) -> Json:
    """List an invoice's lines, in their order."""
    invoice = world.invoices.get(call.id)
    lines = Collection[Line]("invoice line item")
    # Pages begin with what came last, lines with the first.
    for line in reversed(life.lines_now(world, invoice)):
        lines.put(line)
    return page_of(
        lines,
        call.parameters,
        url=f"{_URL}/{invoice.id}/lines",
        keep=lambda line: True,
        render=lambda line: render_line(invoice, line),
    )


def update(world: World, call: Call) -> Json:
    """Change texts, and whether a draft becomes final by itself."""
    before = world.invoices.get(call.id)
    sent = call.parameters
    after = replace(before, metadata=merged(before.metadata, sent))
    if "description" in sent:
        after = replace(after, description=sent.text("description"))
    advances = sent.flag("auto_advance")
    if advances is not None:
        after = _advancing(after, world.time_of(after.customer), advances=advances)
    life.store(world, after)
    world.events.emit(
        "invoice.updated",
        life.shown(world, after),
        life.shown(world, before),
        world.time_of(after.customer),
    )
    return life.shown(world, after)


def finalise(world: World, call: Call) -> Json:
    """Make a draft final now."""
    invoice = world.invoices.get(call.id)
    if invoice.status != "draft":
        raise rejected(
            "This invoice is already finalized, you can't re-finalize a non-draft"
            " invoice.",
            code="invoice_not_editable",
        )
    advances = call.parameters.flag("auto_advance")
    if advances is not None:
        invoice = replace(invoice, auto_advance=advances)
    return life.shown(world, life.finalise(world, invoice, _now(world, invoice)))


def pay(world: World, call: Call) -> Json:
    """Pay an invoice, a draft after making it final; every payment works."""
    invoice = world.invoices.get(call.id)
    now = _now(world, invoice)
    if invoice.status == "draft":
        invoice = life.finalise(world, replace(invoice, auto_advance=False), now)
        if invoice.status == "paid":
            return life.shown(world, invoice)
    if invoice.status == "paid":
        raise rejected("Invoice is already paid")
    return _ended(world, invoice, life.paid, ("open", "uncollectible"), "paid")


def void(world: World, call: Call) -> Json:
    """Void an open invoice."""
    invoice = world.invoices.get(call.id)
    return _ended(world, invoice, life.voided, ("open", "uncollectible"), "voided")


def give_up(world: World, call: Call) -> Json:
    """Mark an open invoice uncollectible."""
    invoice = world.invoices.get(call.id)
    return _ended(world, invoice, life.uncollectible, ("open",), "marked uncollectible")


def _ended(
    world: World,
    invoice: Invoice,
    end: Callable[[World, Invoice, datetime], Invoice],
    statuses: tuple[str, ...],
    word: str,
) -> Json:
    if invoice.status not in statuses:
        raise rejected(
            f"An invoice with the status {invoice.status} can't be {word}.",
        )
    return life.shown(world, end(world, invoice, _now(world, invoice)))


def _advancing(invoice: Invoice, now: datetime, *, advances: bool) -> Invoice:
    if invoice.status != "draft" or advances == invoice.auto_advance:
        return replace(invoice, auto_advance=advances)
    due = max(invoice.created + life.DRAFT_FOR, now.replace(microsecond=0))
    return replace(
        invoice, auto_advance=advances, finalizes_at=due if advances else None
    )


def _now(world: World, invoice: Invoice) -> datetime:
    return world.time_of(invoice.customer).replace(microsecond=0)


OPERATIONS = (
    Operation("GET", _URL, list_, schemas.LIST),
    Operation("GET", f"{_URL}/{{}}", retrieve, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}", update, schemas.UPDATE),
    Operation("GET", f"{_URL}/{{}}/lines", list_lines, Section(PAGE)),
    Operation("POST", f"{_URL}/{{}}/finalize", finalise, schemas.FINALISE),
    Operation("POST", f"{_URL}/{{}}/mark_uncollectible", give_up, Section(EXPAND)),
    Operation("POST", f"{_URL}/{{}}/pay", pay, schemas.PAY),
    Operation("POST", f"{_URL}/{{}}/void", void, Section(EXPAND)),
)
