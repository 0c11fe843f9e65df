"""Stripe in the picture of a context's health: its items, and a verdict on each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from meterdeck.core.model.diagnosis import (
    Verdict,
    fault,
    ok,
    unknown,
    warning,
)
from meterdeck.core.model.fleet_update import Reach
from meterdeck.core.model.health import (
    FleetHealth,
    Sending,
    StripeHealth,
    Trouble,
)
from meterdeck.core.model.health_items import (
    Item,
    Section,
    age_words,
    ms_words,
    since_words,
)
from meterdeck.core.model.wording import counted

_RECENT_S = 300.0
_REPORTS_S = 300.0
_ROOM = 90
_SLOW_MS = 5000.0
_START = "start a worker: meterdeck sync"


def stripe_items(health: FleetHealth) -> Iterator[Item]:
    """Yield what there is to say of Stripe."""

    def item(name: str, title: str, verdict: Verdict, why: str = "") -> Item:
        return Item(Section.STRIPE, name, title, verdict, why)

    stripe, sending = health.stripe, health.sending
    if stripe is None:
        yield item("stripe", "Answer", ok("this context has no Stripe"))
        return
    answer = _answer(stripe, sending)
    yield item("stripe", "Answer", answer, "Usage waits until it answers.")
    if sending is not None:
        yield item(
            "room",
            "Rate limit",
            _room(sending),
            "What does not fit waits for the next second.",
        )
    yield item(
        "error",
        "Last error",
        _last_error(stripe.trouble, health.at),
        "Its request id finds it in Stripe's dashboard, under Developers, Logs.",
    )
    yield item(
        "reports",
        "Late reports",
        _reports(stripe, sending, health.at),
        "Stripe may accept an event and say minutes later that it does not count.",
    )
    if stripe.faults:
        found = f"on purpose: {', '.join(stripe.faults)}"
        yield item(
            "faults",
            "Faults",
            warning(found, "the fault panel clears them: F, or meterdeck faults clear"),
            "This sandbox's Stripe goes wrong because somebody wants to see it.",
        )


def _answer(stripe: StripeHealth, sending: Sending | None) -> Verdict:
    workers = sending.workers if sending is not None else ()
    theirs = max((each.latency_ms or 0.0 for each in workers), default=0.0)
    also = f"; in {ms_words(theirs)} to the workers" if theirs else ""
    match stripe.reach:
        case Reach.DOWN:
            mend = "see status.stripe.com; check stripe.api_key and the network"
            return fault(stripe.problem or "it does not answer", mend)
        case Reach.OK if stripe.latency_ms is not None:
            found = f"in {ms_words(stripe.latency_ms)}{also}"
            if stripe.latency_ms >= _SLOW_MS:
                return warning(found, "see status.stripe.com; nothing is lost by it")
            return ok(found)
        case Reach.OK:
            return ok("yes")
        case _:
            return unknown("not asked yet")


def _room(sending: Sending) -> Verdict:
    most, rate = sending.most_rate, sending.rate
    if not sending.workers or not most:
        return unknown("no worker tells")
    used = sending.per_minute / 60
    percent = round(used * 100 / most)
    found = f"{used:.0f} of {most:,} events/s used, {percent} %"
    if rate < most:
        return warning(
            f"{found}; slowed to {rate:,}/s, as Stripe asked",
            "it climbs back by itself; more flush_s means fewer events",
        )
    if percent >= _ROOM:
        return warning(found, "raise flush_s of resources that are used all the time")
    return ok(found)


def _last_error(trouble: Trouble | None, at: datetime) -> Verdict:
    if trouble is None:
        return ok("none")
    codes = " ".join(filter(None, (str(trouble.status or ""), trouble.code)))
    ago = since_words(at - trouble.at)
    parts = [f"{ago}: {codes}".rstrip(": "), trouble.words, trouble.request_id]
    found = " · ".join(filter(None, parts))
    if (at - trouble.at).total_seconds() > _RECENT_S:
        return ok(found)
    return warning(found, "events it kept back are sent again; letters if not")


def _reports(stripe: StripeHealth, sending: Sending | None, at: datetime) -> Verdict:
    late = sum(each.refused_late for each in sending.workers) if sending else 0
    if stripe.reports_read_at is None:
        return unknown("never read", _START)
    age_s = (at - stripe.reports_read_at).total_seconds()
    found = f"read {age_words(age_s)} ago"
    if late:
        count = counted(late, "event", "events")
        text = f"{found}; {count} accepted and not counted after all"
        return warning(text, "see the letters: meterdeck letters")
    if age_s > _REPORTS_S:
        return warning(found, "look at the workers' log: late_reports")
    return ok(found)
