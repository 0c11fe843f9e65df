"""The counters, or a sample of them: their names, their expiry, what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from meterdeck.core.adapters.bulk_reader import BulkReader
from meterdeck.core.adapters.redis_client import Redis, redis_errors, server_time
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.holding import holding
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_text
from meterdeck.core.model.periods import (
    Cycle,
    Period,
    billing_cycle,
    parse_month,
)
from meterdeck.core.model.quantity import LARGEST, parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.services.current_periods import CYCLE_FIELDS, read_cycle
from meterdeck.core.services.doctor.check import Check, Patient, examples
from meterdeck.core.services.doctor.key_sample import chunks

_LEGACY_DAYS = 35
_MONTH_LENGTH = len("2026-11")
_SLACK = timedelta(days=1)


async def _layout(patient: Patient) -> Verdict:
    sample = await patient.sample()
    looked = f"of {sample.keys:,} keys"
    if sample.looked_at < sample.keys:
        looked = f"of {sample.looked_at:,} keys looked at, a sample of {sample.keys:,},"
    if not sample.strangers:
        return ok(f"{sample.fitting:,} {looked} are counters, none is misnamed")
    first = visible(sample.strangers[0], 80)
    layout = patient.context.redis.layout
    tagged = " with tagged = true" if layout.tagged else ""
    found = (
        f"{len(sample.strangers):,} keys {looked} look like counters of another layout:"
        f" {first}"
    )
    mend = (
        f"counters here are named {layout.template}{tagged}; set redis.key_template and"
        " redis.tagged as the applications name theirs"
    )
    return (warning if sample.fitting else fault)(found, mend)


@dataclass(slots=True)
class _Expiries:
    """Counters by what is wrong with their expiry."""

    never: list[str]
    early: list[str]
    late: list[str]


async def _expiry(patient: Patient) -> Verdict:
    sample = await patient.sample()
    now = await server_time(patient.redis)
    dated = [each for each in sample.counters if each[1].period[:1].isdigit()]
    wrong = await _expiries(patient, dated, now)
    looked = sample.counted(len(dated))
    if wrong.early:
        return fault(
            f"{len(wrong.early):,} of {looked} end before their period:"
            f" {examples(wrong.early)}",
            "let the application's EXPIRE reach past the period's end, 35 days do;"
            " a longer one can be set by hand: PERSIST, then EXPIREAT",
        )
    if wrong.never:
        return warning(
            f"{len(wrong.never):,} of {looked} never expire: {examples(wrong.never)}",
            "have the application send EXPIRE; a current one gets its expiry with the"
            " next consume or adjustment, a past one by hand: EXPIRE key 3024000",
        )
    if wrong.late:
        return warning(
            f"{len(wrong.late):,} of {looked} last too long: {examples(wrong.late)}",
            "have the application set the expiry once, 35 days are enough",
        )
    return ok(f"all {looked} expire after their period")


async def _expiries(
    patient: Patient, counters: Sequence[tuple[bytes, CounterId]], now: datetime
) -> _Expiries:
    cycles = await _cycles(
        patient.redis,
        patient.context.redis.layout,
        [c.tenant for _, c in counters if len(c.period) > _MONTH_LENGTH],
    )
    left_ms = await _left_ms(patient.redis, [key for key, _ in counters])
    longest = max(patient.context.redis.retention_days, _LEGACY_DAYS)
    wrong = _Expiries([], [], [])
    for (key, counter), left in zip(counters, left_ms, strict=True):
        name = visible(name_text(key), 80)
        period = _period(counter, cycles.get(counter.tenant), now)
        if left == -1:
            wrong.never.append(name)
        if left < 0 or period is None:
            continue
        ends = now + timedelta(milliseconds=left)
        if ends < period.end and now in period:
            wrong.early.append(name)
        elif ends > period.end + timedelta(days=longest) + _SLACK:
            wrong.late.append(name)
    return wrong


async def _left_ms(redis: Redis, keys: Sequence[bytes]) -> list[int]:
    left: list[int] = []
    for some in chunks(keys):
        async with redis.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.pttl(key)
            with redis_errors():
                left += await pipe.execute()
    return left


async def _cycles(
    redis: Redis, layout: KeyLayout, tenants: Sequence[TenantId]
) -> Mapping[TenantId, Cycle | None]:
    found: dict[TenantId, Cycle | None] = {}
    names = list(dict.fromkeys(tenants))
    for start in range(0, len(names), 500):
        some = names[start : start + 500]
        async with redis.pipeline(transaction=False) as pipe:
            for name in some:
                pipe.hmget(layout.tenant(name), list(CYCLE_FIELDS))
            with redis_errors():
                replies = await pipe.execute(raise_on_error=False)
        for name, reply in zip(some, replies, strict=True):
            fields = reply if isinstance(reply, list) else [None] * 3
            found[name] = read_cycle(cast("list[bytes | None]", fields))
    return found


def _period(counter: CounterId, cycle: Cycle | None, now: datetime) -> Period | None:
    """Return the period of a counter; None where it cannot be told."""
    label = counter.period
    try:
        if len(label) == _MONTH_LENGTH:
            return parse_month(label)
        last_second = datetime.fromisoformat(label).replace(tzinfo=UTC)
    except ValueError:
        return None
    if cycle is None:
        return None
    period = billing_cycle(cycle, now)
    if period.label != label:  # a past one: its last moment of the first day is in it
        period = billing_cycle(cycle, last_second + timedelta(days=1) - _MOMENT)
    return period if period.label == label else None


_MOMENT = timedelta(milliseconds=1)


async def _values(patient: Patient) -> Verdict:
    sample = await patient.sample()
    reader = BulkReader(patient.redis)
    keys = [key for key, _ in sample.counters]
    held = await reader.mget(keys)
    odd = [(k, v) for k, v in zip(keys, held, strict=True) if not _is_whole(v)]
    types = await reader.types([key for key, _ in odd])
    broken = [
        f"{visible(name_text(key), 80)} holds {holding(kind, value)}"
        for (key, value), kind in zip(odd, types, strict=True)
        if kind != "none"  # it has gone in between
    ]
    looked = sample.counted(len(keys))
    if not broken:
        return ok(f"all {looked} hold a whole number")
    return fault(
        f"{len(broken):,} of {looked} hold none: {examples(broken)}",
        "find the program that wrote it; then delete the key, or SET the right number",
    )


def _is_whole(value: bytes | None) -> bool:
    number = None if value is None else parse_counter(value)
    return number is not None and abs(number) <= LARGEST


COUNTER_CHECKS = (
    Check(
        "layout",
        "Key layout",
        "keys that look like counters under another template or tag style",
        "Counters under another name are neither limited nor billed nor shown.",
        _layout,
    ),
    Check(
        "expiry",
        "Expiry",
        "counters that end before their period, never, or too late",
        "One that ends early forgets usage; one that never ends fills the memory.",
        _expiry,
    ),
    Check(
        "values",
        "Values",
        "counters that hold no whole number",
        "A counter that holds no whole number refuses every call.",
        _values,
    ),
)
