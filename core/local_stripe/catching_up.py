"""What came due since the last request happens before the next one, in order of time.

Nothing runs in the background: the account's clock and each test clock catch up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from heapq import heappop

from meterdeck.core.local_stripe import clock_rules, clocks, credit_ledger
from meterdeck.core.local_stripe.invoice_life import finalise
from meterdeck.core.local_stripe.records import FrozenClock
from meterdeck.core.local_stripe.renewal import next_change, renew
from meterdeck.core.local_stripe.world import World


def catch_up(world: World) -> None:
    """Apply every change that came due, each with its event at its own time."""
    now = world.now()
    while world.due and world.due[0][0] <= now:
        due, object_id = heappop(world.due)
        if not _on_test_clock(world, object_id):
            _change(world, object_id, due)
    for clock in list(world.test_clocks):
        if clock.deletes_after <= now:
            clocks.remove(world, clock)
        elif clock.target is not None:
            _advance(world, clock, clock.target)


def _on_test_clock(world: World, object_id: str) -> bool:
    """Tell of what was put on a test clock after its change was planned."""
    found = world.subscriptions.find(object_id) or world.invoices.find(object_id)
    return found is not None and world.clock_of(found.customer) is not None


def _change(world: World, object_id: str, at: datetime) -> None:
    """Change an object; an entry of before it was changed otherwise is stale."""
    subscription = world.subscriptions.find(object_id)
    if subscription is not None and next_change(subscription) == at:
        renew(world, subscription, at)
    invoice = world.invoices.find(object_id)
    if invoice is not None and invoice.finalizes_at == at:
        finalise(world, invoice, at)
    grant = world.credit_grants.find(object_id)
    if grant is not None:
        credit_ledger.expire(world, grant, at)


def _advance(world: World, clock: FrozenClock, target: datetime) -> None:
    """Let a test clock go through everything up to its target."""
    while True:
        due = min(_dues(world, clock), default=None)
        if due is None or due[0] > target:
            break
        _change(world, due[1], due[0])
    ready = replace(clock, frozen_time=target, target=None)
    world.test_clocks.put(ready)
    clock_rules.tell(world, "ready", ready)


def _dues(world: World, clock: FrozenClock) -> Iterator[tuple[datetime, str]]:
    for customer_id in clock.customers:
        for subscription in world.subscriptions.grouped(customer_id):
            due = next_change(subscription)
            if due is not None:
                yield due, subscription.id
        for invoice in world.invoices.grouped(customer_id):
            if invoice.finalizes_at is not None:
                yield invoice.finalizes_at, invoice.id
        for grant in world.credit_grants.grouped(customer_id):
            if grant.expires_at is not None and credit_ledger.balance(world, grant) > 0:
                yield grant.expires_at, grant.id
