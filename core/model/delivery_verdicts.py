"""Delivery in the picture of a context's health: its items, and a verdict on each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from meterdeck.core.model.degraded import SpoolSight
from meterdeck.core.model.diagnosis import (
    Verdict,
    fault,
    ok,
    unknown,
    warning,
)
from meterdeck.core.model.health import (
    FleetHealth,
    Sending,
    Waiting,
)
from meterdeck.core.model.health_items import (
    Expected,
    Item,
    Section,
    age_words,
    rough,
    since_words,
)
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import counted, minute

_FULL = 90
_LATE_S, _BAD_S = 120.0, 3600.0
_START = "start a worker: meterdeck sync"


def delivery_items(health: FleetHealth, expected: Expected) -> Iterator[Item]:
    """Yield what there is to say of workers, and of what waits."""

    def item(name: str, title: str, verdict: Verdict, why: str = "") -> Item:
        return Item(Section.DELIVERY, name, title, verdict, why)

    sending, waiting = health.sending, health.waiting
    if health.stripe is not None and sending is not None:
        yield item("workers", "Workers", workers(sending, health.at), _WHY["workers"])
        yield item("unsent", "Not at Stripe", unsent(sending, expected), _WHY["unsent"])
        yield item("delivered", "Delivered", _delivered(sending), _WHY["delivered"])
        if len(sending.workers) > 1:
            for each in sending.workers:
                share = counted(each.tenants, "tenant")
                said = ok(f"{share}, {each.per_minute:,} events in the last minute")
                bad = warning(each.problem, "look at its log") if each.problem else said
                name = visible(each.id[:14])
                yield item(f"worker:{each.id}", name, bad, _WHY["worker"])
    if waiting is None:
        return
    yield item("spool", "Spool", _spool(waiting.spool, health.at), _WHY["spool"])
    if health.stripe is None:
        return
    yield item("letters", "Dead letters", _letters(waiting), _WHY["letters"])
    if waiting.queued:
        queued = ok(counted(waiting.queued, "event of track()", "events of track()"))
        yield item("queue", "Queue", queued, _WHY["queue"])
    if sending is not None:
        yield item("closing", "Closing", _closing(sending), _WHY["closing"])
    if waiting.older_since is not None:
        yield item("restored", "Older data", restored(waiting.older_since), RESTORED)
    yield item("drift", "Drift", _drift(waiting, health.at, expected), _WHY["drift"])


_WHY = {
    "workers": "They bring usage to Stripe; without one nothing is billed.",
    "worker": "Each looks after its share of the tenants.",
    "unsent": "What is not at Stripe when a period's invoice closes is not on it.",
    "delivered": "The lag is from use to Stripe's answer.",
    "spool": "What waits on this disk is used and not counted yet.",
    "letters": "What Stripe did not take, or may have counted: somebody has to decide.",
    "queue": "Events with dimensions of their own, before they are sent.",
    "closing": "An hour after its end a period's invoice takes no more.",
    "drift": "What was counted and what Stripe has should be the same.",
}


RESTORED = "Billing on from an older copy could charge for the same units twice."


def restored(since: datetime | None) -> Verdict:
    """Judge whether a backup may have been put back.

    Args:
        since: As of `Waiting.older_since`.
    """
    if since is None:
        return ok("nothing says that Redis is older than it was")
    return warning(
        f"Redis began to run at {minute(since)}, long after the last event in its log:"
        " it may be older than it was, and was not all compared with Stripe since",
        "was a backup put back? docs/runbooks/redis-lost.md; if not, a worker compares"
        " everything within delivery.reconcile_minutes and five more",
    )


def workers(sending: Sending, at: datetime) -> Verdict:
    """Judge whether somebody brings usage to Stripe."""
    alive = sending.workers
    if not alive:
        if sending.silent_since is None:
            return fault("none was ever here", _START)
        silent = since_words(at - sending.silent_since)
        changed = ""
        if sending.changed:
            noun = counted(sending.changed, "tenant has", "tenants have")
            changed = f"; {noun} used something since"
        return fault(f"none is alive; the last one was, {silent}{changed}", _START)
    begun = min((each.since for each in alive if each.since), default=None)
    found = f"{len(alive)} alive"
    if begun is not None:
        found += f", for {age_words((at - begun).total_seconds())}"
    tenants = sum(each.tenants for each in alive)
    found += f"; {counted(tenants, 'tenant')}" if tenants else ""
    if any(each.stopped for each in alive):
        mend = "correct stripe.api_key, and start the workers again"
        return fault(f"{found}; Stripe does not accept the key", mend)
    problem = next((each.problem for each in alive if each.problem), "")
    unbilled = sum(each.unbilled for each in alive)
    if problem:
        return warning(f"{found}; {problem}", "look at the workers' log")
    if unbilled:
        left = counted(unbilled, "counter cannot", "counters cannot")
        mend = "the workers' log says why: counter_not_billed"
        return warning(f"{found}; {left} be billed as it is", mend)
    return ok(found)


def unsent(sending: Sending, expected: Expected) -> Verdict:
    """Judge for how long usage waits."""
    if not sending.workers:
        return unknown("no worker tells", _START)
    if not sending.unsent and not sending.oldest_s:
        return ok("nothing")
    oldest = age_words(sending.oldest_s)
    counters = counted(sending.unsent, "counter")
    found = (
        f"{counters if sending.unsent else 'events of track()'}, the oldest {oldest}"
    )
    late_s = sending.oldest_s - expected.flush_s
    mend = "look at Stripe's rate limit and last error above; more workers share it"
    if late_s > _BAD_S:
        return fault(found, mend)
    return warning(found, mend) if late_s > _LATE_S else ok(found)


def _delivered(sending: Sending) -> Verdict:
    if not sending.workers:
        return unknown("no worker tells", _START)
    if not sending.per_minute:
        return ok("nothing in the last minute")
    events = counted(rough(sending.per_minute), "event")
    lag = age_words(sending.lag_s)
    return ok(f"about {events} in the last minute; lag {lag}")


def _spool(spool: SpoolSight | None, at: datetime) -> Verdict:
    if spool is None:
        return unknown("it cannot be read", "run this as the applications' user")
    if not spool.calls:
        if spool.put_aside:
            return warning("calls were put aside", "list them: meterdeck spool")
        return ok("nothing waits on this machine")
    about = "" if spool.exact else "about "
    found = f"{about}{counted(spool.calls, 'call')}"
    if spool.oldest_at is not None:
        found += f", the oldest {age_words((at - spool.oldest_at).total_seconds())}"
    if spool.percent >= _FULL:
        return fault(f"{found}; {spool.percent} % full", "bring Redis back")
    if spool.ended:
        ended = counted(spool.ended, "ended process", "ended processes")
        return warning(f"{found}, left by {ended}", "list them: meterdeck spool")
    return warning(found, "see whether they reach Redis: meterdeck spool")


def _letters(waiting: Waiting) -> Verdict:
    if not waiting.letters:
        return ok("none")
    more = " or more" if waiting.letters_more else ""
    found = f"{waiting.letters:,}{more} need somebody"
    return warning(found, "e shows the events, l only letters; or meterdeck letters")


def _closing(sending: Sending) -> Verdict:
    closing = sum(each.closing for each in sending.workers)
    if not sending.workers:
        return unknown("no worker tells", _START)
    if not closing:
        return ok("nothing is unsent of periods that end soon")
    left = counted(closing, "counter")
    return warning(f"{left} of periods that end soon", "D, then tab, lists them")


def _drift(waiting: Waiting, at: datetime, expected: Expected) -> Verdict:
    found = waiting.last_pass
    if found is None:
        every = "never compared" if expected.reconcile_m else "no schedule"
        return unknown(every, "compare now: D, or meterdeck reconcile")
    age_s = (at - found.at).total_seconds()
    when = f"compared {age_words(age_s)} ago"
    if found.differing:
        differ = counted(found.differing, "counter differs", "counters differ")
        return warning(f"{differ}; {when}", "D shows why, and repairs")
    if expected.reconcile_m and age_s > 3 * 60 * expected.reconcile_m:
        return warning(f"none, but {when}", "look at the workers' log: reconciling")
    return ok(f"none; {when}")
