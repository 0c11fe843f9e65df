"""What credit grants pay of an invoice: of usage only, when it becomes final."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from meterdeck.core.local_stripe import credit_ledger
from meterdeck.core.local_stripe.credit_ledger import Application, CreditableLine
from meterdeck.core.local_stripe.invoice_records import AppliedCredit, Invoice, Line
from meterdeck.core.local_stripe.world import World

_NOT_RECORDED: Mapping[Application, str] = {}


def foreseen(
    world: World, invoice: Invoice, lines: tuple[Line, ...], at: datetime
) -> tuple[Line, ...]:
    """Give the lines with the credits that would pay them; nothing is recorded."""
    found = _applications(world, invoice, lines, at)
    return tuple(_paid(line, found, _NOT_RECORDED) for line in lines)


def applied(
    world: World, invoice: Invoice, lines: tuple[Line, ...], at: datetime
) -> tuple[Line, ...]:
    """Give the lines with the credits that pay them, recorded in the ledger."""
    found = _applications(world, invoice, lines, at)
    recorded = credit_ledger.apply(world, invoice.id, found, at)
    return tuple(_paid(line, found, recorded) for line in lines)


def _applications(
    world: World, invoice: Invoice, lines: tuple[Line, ...], at: datetime
) -> tuple[Application, ...]:
    grants = credit_ledger.usable(world, invoice.customer)
    if not grants:
        return ()
    creditable = [
        CreditableLine(line.id, line.billed.price, line.amount)
        for line in lines
        if line.billed.quantity is None
    ]
    return credit_ledger.applications(grants, creditable, invoice.currency, at)


def _paid(
    line: Line, found: Iterable[Application], recorded: Mapping[Application, str]
) -> Line:
    credits = tuple(
        AppliedCredit(amount=each.amount, transaction=recorded.get(each))
        for each in found
        if each.line == line.id
    )
    return replace(line, credits=credits) if credits else line
