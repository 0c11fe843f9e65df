"""What is on its way to Stripe: the queue of `track()`, and events in flight."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from meterdeck.core.adapters.queue_calls import GROUP
from meterdeck.core.adapters.redis_client import (
    from_milliseconds,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.health_items import age_words
from meterdeck.core.model.names import name_text
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId
from meterdeck.core.model.wording import counted
from meterdeck.core.services.doctor.check import Check, Patient
from meterdeck.core.services.tenant_fields import decode

_LATE = timedelta(minutes=10)
_LOOKED_AT = 500
_FIX = "mend it: meterdeck doctor {0} --fix"


async def queues_without_group(patient: Patient) -> list[bytes]:
    """Return queues that hold events and have no consumer group.

    Raises:
        RedisRefused: A queue's key holds something else.
    """
    found = []
    for key in await _queues(patient):
        with redis_errors():
            if not await patient.redis.xlen(key):
                continue
            groups = await patient.redis.xinfo_groups(key)
        if all(each["name"] != GROUP.encode() for each in groups):
            found.append(key)
    return found


async def _queues(patient: Patient) -> list[bytes]:
    layout = patient.context.redis.layout
    if not layout.tagged:
        return [layout.queue("")]
    with redis_errors():
        names = await patient.redis.srandmember(layout.queues(), _LOOKED_AT)
    return [layout.queue(decode(each)) for each in cast("list[bytes]", names or [])]


async def _queue(patient: Patient) -> Verdict:
    keys = await _queues(patient)
    with redis_errors():
        kinds = [await patient.redis.type(key) for key in keys]
    foreign = [
        k for k, t in zip(keys, kinds, strict=True) if t not in (b"none", b"stream")
    ]
    if foreign:
        return fault(
            f"{visible(name_text(foreign[0]), 80)} holds no stream",
            "find the program that wrote it, then delete the key",
        )
    if lost := await queues_without_group(patient):
        return warning(
            f"{counted(len(lost), 'queue')} with events and without a consumer group",
            _FIX.format("queue"),
        )
    now, oldest = await server_time(patient.redis), await _oldest(patient, keys)
    if oldest is None:
        return ok("no event of track() waits")
    age = age_words((now - oldest).total_seconds())
    waits = f"the oldest event of track() waits for {age}"
    if now - oldest < _LATE:
        return ok(waits)
    return warning(waits, "see the worker, and the tenants that have no customer")


async def _oldest(patient: Patient, keys: list[bytes]) -> datetime | None:
    ids = []
    for key in keys:
        with redis_errors():
            first: Any = await patient.redis.xrange(key, count=1)
        ids += [int(decode(entry).partition("-")[0]) for entry, _ in first]
    return from_milliseconds(min(ids)) if ids else None


@dataclass(frozen=True, slots=True)
class Leased:
    """An event in flight that is a worker's until then."""

    counter: CounterId
    event: str
    worker: str
    until: datetime


async def stale_leases(patient: Patient) -> list[Leased]:
    """Return events held by workers that are gone, for longer than anybody may.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    layout, options = patient.context.redis.layout, patient.context.delivery
    now = await server_time(patient.redis)
    beyond = now + timedelta(seconds=2 * options.takeover_s) + _LATE
    with redis_errors():
        keys = await patient.redis.zrangebyscore(
            layout.unsettled(), to_milliseconds(beyond), "+inf", start=0, num=_LOOKED_AT
        )
    alive = {each.id for each in (await patient.sending()).workers}
    counters = map(layout.parse_billing, cast("list[bytes]", keys))
    leases = [await leased(patient, each) for each in counters if each is not None]
    return [
        each
        for each in leases
        if each is not None and each.until > beyond and each.worker not in alive
    ]


async def leased(patient: Patient, counter: CounterId) -> Leased | None:
    """Return whose a counter's event in flight is; None where there is none.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    key = patient.context.redis.layout.billing(
        counter.tenant, counter.resource, counter.period
    )
    with redis_errors():
        fields = await patient.redis.hmget(key, ["in_flight", "worker", "leased_until"])
    event, worker, until = cast("list[bytes | None]", fields)
    if not (event and worker and until and until.isdigit()):
        return None
    return Leased(counter, decode(event), decode(worker), from_milliseconds(int(until)))


async def _leases(patient: Patient) -> Verdict:
    if stale := await stale_leases(patient):
        first = stale[0]
        until = f"{first.until:%Y-%m-%d %H:%M} UTC"
        return warning(
            f"{counted(len(stale), 'event')} in flight held until {until} by a worker"
            f" that is gone: {visible(first.counter.tenant, 40)}",
            _FIX.format("leases"),
        )
    layout = patient.context.redis.layout
    now = await server_time(patient.redis)
    with redis_errors():
        late = await patient.redis.zcount(
            layout.unsettled(), "-inf", to_milliseconds(now - _LATE)
        )
        every = await patient.redis.zcard(layout.unsettled())
    if late:
        return warning(
            f"{counted(late, 'event')} in flight that nobody has taken over for"
            f" {age_words(_LATE.total_seconds())}",
            "start a worker, or look at its log: meterdeck sync",
        )
    return ok(
        f"{counted(every, 'event')} in flight, each with its worker"
        if every
        else "no event is in flight"
    )


FLIGHT_CHECKS = (
    Check(
        "queue",
        "Queue",
        "whether workers can read the events of `track()`: a stream with its consumer"
        " group; for how long the oldest waits",
        "Events that no worker is given are not billed.",
        _queue,
        of_billing=True,
    ),
    Check(
        "leases",
        "In flight",
        "events that a worker which is gone holds for too long, or that nobody has"
        " taken over",
        "A counter with an event in flight bills nothing else until it is settled.",
        _leases,
        of_billing=True,
    ),
)
