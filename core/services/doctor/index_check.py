"""The indexes by which tenants and their changes are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from meterdeck.core.adapters.redis_client import redis_errors
from meterdeck.core.model.diagnosis import Verdict, ok, warning
from meterdeck.core.model.names import name_text
from meterdeck.core.model.quantity import parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.services.doctor.check import Check, Patient, examples

_FIX = "rebuild it: meterdeck doctor index --fix"


async def unlisted(patient: Patient) -> list[bytes]:
    """Return tenants with a directory entry that the index does not name.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    sample, layout = await patient.sample(), patient.context.redis.layout
    names: Sequence[bytes] = sample.entries
    if not names:
        return []
    ask: Any = patient.redis.smismember  # the library types its answer twice
    with redis_errors():
        listed = await ask(layout.tenants(), list(names))
    return [name for name, there in zip(names, listed, strict=True) if not there]


async def behind(patient: Patient) -> int:
    """Return how far the counter of changes is behind the newest change.

    Raises:
        RedisUnreachable, RedisRefused: As in `redis_errors`.
    """
    layout = patient.context.redis.layout
    if layout.tagged:
        return 0
    with redis_errors():
        sequence = await patient.redis.get(layout.sequence())
        newest = await patient.redis.zrevrange(layout.changed(), 0, 0, withscores=True)
    last = parse_counter(cast("bytes", sequence)) if sequence else 0
    return max(0, int(newest[0][1]) - (last or 0)) if newest else 0


async def _look(patient: Patient) -> Verdict:
    if lost := await unlisted(patient):
        shown = examples([visible(name_text(each), 40) for each in lost])
        return warning(
            f"{len(lost):,} tenants with an entry are not in the index: {shown}", _FIX
        )
    if gap := await behind(patient):
        return warning(f"the counter of changes is {gap:,} behind the newest", _FIX)
    return ok("every entry is listed, and changes are numbered in order")


INDEX = Check(
    "index",
    "Indexes",
    "whether each tenant's entry is in the index of tenants, and changes are numbered"
    " in order",
    "A tenant that is not in the index is neither shown nor billed; changes out of"
    " order are read again and again.",
    _look,
)
