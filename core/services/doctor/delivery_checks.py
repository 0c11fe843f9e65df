"""Who brings usage to Stripe, how late, and what Stripe did not take."""

from __future__ import annotations

from datetime import datetime, timedelta

from meterdeck.core.adapters.redis_client import server_time
from meterdeck.core.errors import StripeRefused
from meterdeck.core.model import delivery_verdicts
from meterdeck.core.model.delivery import INVOICE_GRACE
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.health import Sending
from meterdeck.core.model.health_items import age_words, expected_of
from meterdeck.core.model.ledger import NEEDING
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted
from meterdeck.core.services.doctor.check import Asks, Check, Patient
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.reconcile.lives import Lives

_LETTERS = 1000


def _bills(patient: Patient) -> bool:
    return any(each.meter for each in patient.context.resources)


async def _worker(patient: Patient) -> Verdict:
    if not _bills(patient):
        return ok("none is needed: no resource has a meter")
    now = await server_time(patient.redis)
    return delivery_verdicts.workers(await patient.sending(), now)


async def _lag(patient: Patient) -> Verdict:
    sending = await patient.sending()
    if sending.workers:
        return delivery_verdicts.unsent(sending, expected_of(patient.context))
    if not sending.changed:
        return ok("nothing is known to wait")
    left = counted(sending.changed, "tenant has", "tenants have")
    return warning(
        f"{left} used something since the last worker", "start one: meterdeck sync"
    )


async def _grace(patient: Patient) -> Verdict:
    grace, known = await _shortest_grace(patient)
    waits = _backlog(await patient.sending(), await server_time(patient.redis))
    minutes = int(grace.total_seconds()) // 60
    found = f"invoices take usage for {minutes:,} min{known}, and"
    if not waits:
        return ok(f"{found} nothing waits")
    found += f" the backlog takes {age_words(waits.total_seconds())}"
    mend = (
        "start more workers: meterdeck sync; or set a longer finalization grace period"
        " in Stripe's dashboard (Settings, Billing, Invoices)"
    )
    if waits >= grace:
        return fault(found, mend)
    return warning(found, mend) if 2 * waits >= grace else ok(found)


async def _shortest_grace(patient: Patient) -> tuple[timedelta, str]:
    """Return for how long draft invoices stay open, and how that is known."""
    usual = INVOICE_GRACE, ", as is usual"
    if Asks.STRIPE in patient.silent:
        return usual
    try:
        drafts = await patient.stripe.drafts()
    except StripeRefused:
        return usual  # this key may not read invoices: it need not
    if not drafts:
        return usual
    shortest = min(final - made for made, final in drafts)
    return shortest, f", by {counted(len(drafts), 'draft')}"


def _backlog(sending: Sending, now: datetime) -> timedelta:
    """Return how long it takes until what is used now would be at Stripe."""
    if not sending.workers:
        since = sending.silent_since
        return now - since if sending.changed and since else timedelta(0)
    per_second = sending.rate or sending.most_rate
    to_send_s = sending.unsent / per_second if per_second else 0.0
    return timedelta(seconds=max(sending.oldest_s, to_send_s))


async def _letters(patient: Patient) -> Verdict:
    letters = Letters(patient.redis, patient.context)
    found = [each async for each in letters.all(_LETTERS) if each.state in NEEDING]
    if not found:
        return ok("none needs somebody")
    oldest = min(found, key=lambda each: each.at)
    more = " or more" if len(found) >= _LETTERS else ""
    return fault(
        f"{len(found):,}{more} need somebody, the oldest of"
        f" {visible(oldest.tenant, 40)}: {visible(oldest.event.identifier, 20)}…",
        "list them: meterdeck letters; then send again or settle: meterdeck replay,"
        " meterdeck resolve",
    )


async def _restored(patient: Patient) -> Verdict:
    life = await Lives(patient.redis, patient.context).look()
    return delivery_verdicts.restored(life.older_since)


DELIVERY_CHECKS = (
    Check(
        "worker",
        "Worker",
        "whether one is alive, takes part, and has its key taken",
        "Workers bring usage to Stripe; without one nothing is billed.",
        _worker,
        of_billing=True,
    ),
    Check(
        "lag",
        "Lag",
        "for how long the oldest usage waits that is not at Stripe",
        "What is not at Stripe when a period's invoice closes is not on it.",
        _lag,
        of_billing=True,
    ),
    Check(
        "grace",
        "Invoice grace",
        "for how long draft invoices take usage, against what the backlog takes",
        "Usage that comes after the invoice is final is never billed.",
        _grace,
        of_billing=True,
    ),
    Check(
        "letters",
        "Dead letters",
        "events that Stripe did not take, or may have counted",
        "Somebody has to decide about them; until then they are not billed.",
        _letters,
        of_billing=True,
    ),
    Check(
        "restored",
        "Older data",
        "whether Redis came back with data that may be older than they were, as from a"
        " backup, and that were not all compared with Stripe since",
        delivery_verdicts.RESTORED,
        _restored,
        of_billing=True,
    ),
)
