"""What operators and applications left behind: reservations, overrides, the trail."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from meterdeck.core.adapters.redis_client import (
    from_milliseconds,
    redis_errors,
    server_time,
    to_milliseconds,
)
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.names import name_text
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.audit_proof import AuditProof
from meterdeck.core.services.doctor.check import Check, Patient, examples
from meterdeck.core.services.override_list import OverrideList

_OVERDUE = timedelta(minutes=5)
_RESERVING = 500
_OVERRIDDEN = 2_000
_TRAILS = 20


async def _reservations(patient: Patient) -> Verdict:
    layout = patient.context.redis.layout
    now = await server_time(patient.redis)
    due = to_milliseconds(now - _OVERDUE)
    with redis_errors():
        reply = await patient.redis.zrangebyscore(
            layout.reserving(), "-inf", due, start=0, num=_RESERVING
        )
    named = [(key, layout.parse_counter(key)) for key in cast("list[bytes]", reply)]
    counters = [(key, counter) for key, counter in named if counter is not None]
    with redis_errors():
        async with patient.redis.pipeline(transaction=False) as pipe:
            for _, each in counters:
                key = layout.reserved(each.tenant, each.resource, each.period)
                pipe.zrangebyscore(key, "-inf", due, start=0, num=1, withscores=True)
            first = await pipe.execute()
    late = {
        visible(name_text(key), 80): found[0][1]
        for (key, _), found in zip(counters, first, strict=True)
        if found
    }
    if not late:
        return ok("none is overdue")
    oldest = now - from_milliseconds(int(min(late.values())))
    return warning(
        f"{len(late):,} counters hold some that ended up to"
        f" {int(oldest.total_seconds()) // 60:,} min ago: {examples(list(late))}",
        "run an application with the library, which gives them back on a schedule;"
        " the next call on such a counter does, too",
    )


async def _overrides(patient: Patient) -> Verdict:
    context = patient.context
    layout = context.redis.layout
    with redis_errors():
        count = int(await patient.redis.scard(layout.overridden()))
        reply = await patient.redis.srandmember(layout.overridden(), _OVERRIDDEN)
    names = [TenantId(name_text(name)) for name in cast("list[bytes]", reply)]
    overrides = await OverrideList(patient.redis, context).of(sorted(names))
    looked = f", of {len(names):,} of {count:,} tenants" if len(names) < count else ""
    endless = [each for each in overrides if each.expires_at is None]
    if not overrides:
        return ok(f"none in force{looked}")
    if not endless:
        return ok(f"{len(overrides):,} in force, each with its end{looked}")
    shown = examples([f"{visible(e.tenant, 40)} {e.resource}" for e in endless])
    if not context.override_needs_expiry:
        return ok(f"{len(endless):,} without an end, which this context allows{looked}")
    return warning(
        f"{len(endless):,} never end, and this context wants an end: {shown}{looked}",
        "set each anew with --until, or clear it: meterdeck override",
    )


async def _audit(patient: Patient) -> Verdict:
    layout, proof = (
        patient.context.redis.layout,
        AuditProof(patient.redis, patient.context),
    )
    if patient.whole:
        verdict = await proof.verify_all()
        looked = f"{verdict.trails:,} trails of {verdict.entries:,} entries"
        broken = verdict.broken
    else:
        with redis_errors():
            count = int(await patient.redis.zcard(layout.audited()))
            reply = await patient.redis.zrevrange(layout.audited(), 0, _TRAILS - 1)
        names = [name_text(name) for name in cast("list[bytes]", reply)]
        checked = [await proof.verify(name) for name in names]
        broken = tuple(each for each in checked if each is not None)
        more = f" of {count:,}, the latest (all: --all)" if count > _TRAILS else ""
        looked = f"{len(names):,}{more} trails"
    if not broken:
        return ok(f"{looked}, as written")
    first = broken[0]
    return fault(
        f"{len(broken):,} not as written, of {looked}: {visible(first.tenant, 40)},"
        f" {first.problem}",
        "compare with your copy of the trail: meterdeck audit TENANT --verify",
    )


OPERATOR_CHECKS = (
    Check(
        "reservations",
        "Reservations",
        "those that ended and were not given back",
        "What is reserved counts as used, and is billed, until it is given back.",
        _reservations,
    ),
    Check(
        "overrides",
        "Overrides",
        "those without an end, where the context wants one",
        "A limit raised for one incident and never lowered is a plan nobody pays for.",
        _overrides,
    ),
    Check(
        "audit",
        "Audit trail",
        "whether the chain of the latest 20 trails is whole; `--all`: of every one",
        "A trail that was altered proves nothing about who changed what.",
        _audit,
    ),
)
