"""This machine's disk: usage that Redis was not told yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from meterdeck.core.adapters.spool_root import found_spools, found_unsettled
from meterdeck.core.model.degraded import FoundSpool, Unsettled
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.usage import OnFault
from meterdeck.core.services.doctor.check import Check, Patient

_SOON = timedelta(minutes=2)
_FULL_PERCENT = 90
_LIST = "list them: meterdeck spool"


async def _look(patient: Patient) -> Verdict:
    root = patient.places.spool
    try:
        spools = await asyncio.to_thread(found_spools, root)
        unsettled = await asyncio.to_thread(found_unsettled, root)
    except OSError as error:
        return fault(
            f"{root} cannot be read: {error.strerror}",
            "run doctor as the applications' user, or set library.spool_directory",
        )
    return _judge(patient, spools, unsettled)


def _judge(
    patient: Patient, spools: Sequence[FoundSpool], unsettled: Sequence[Unsettled]
) -> Verdict:
    most = patient.context.library.spool_bytes
    damaged = sum(each.damaged_bytes for each in spools)
    fullest = max((each.bytes for each in spools if each.live), default=0)
    waiting = _waiting(spools, patient.wall())
    dead = [each for each in spools if each.calls and not each.live]
    if fullest * 100 >= most * _FULL_PERCENT:
        return fault(
            f"full, {fullest * 100 // most} % of what a process may keep: {waiting}",
            "bring Redis back; a larger library.spool_megabytes buys time",
        )
    if damaged:
        return fault(f"{damaged:,} bytes cannot be read back: {waiting}", _LIST)
    if dead:
        return warning(
            f"{len(dead)} ended processes left {waiting}",
            "start an application of this context here: it takes over what they left",
        )
    if unsettled:
        return warning(
            f"{len(unsettled):,} calls were put aside for you to settle",
            f"{_LIST}; adjust the counters they name",
        )
    return _of_the_living(patient, spools, waiting)


def _of_the_living(
    patient: Patient, spools: Sequence[FoundSpool], waiting: str
) -> Verdict:
    oldest = min((s.oldest_at for s in spools if s.oldest_at), default=None)
    if oldest is not None and patient.wall() - oldest > _SOON:
        return warning(waiting, f"see whether they reach Redis; {_LIST}")
    if oldest is not None:
        return ok(f"{waiting}, being counted")
    opens = any(
        each.on_fault is OnFault.FAIL_OPEN for each in patient.context.resources
    )
    return ok("nothing waits" if opens else "nothing waits; no resource fails open")


def _waiting(spools: Sequence[FoundSpool], now: datetime) -> str:
    calls, size = sum(s.calls for s in spools), sum(s.bytes for s in spools)
    oldest = min((s.oldest_at for s in spools if s.oldest_at), default=None)
    since = ""
    if oldest is not None:
        minutes = int((now - oldest).total_seconds()) // 60
        since = f", the oldest {minutes:,} min old"
    return f"{calls:,} calls in {size:,} bytes{since}"


SPOOL = Check(
    "spool",
    "Local spool",
    "usage on this machine's disk that Redis was not told",
    "What waits on this disk is used and not counted; what does not fit is refused.",
    _look,
    asks=frozenset(),
)
