"""What the doctor may mend by itself, each change shown before it is made.

Safe is what changes no counter, limit, bill or trail, takes nothing away from anybody,
and may be repeated; what is found anew while it is made is left for the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.queue_calls import QueueCalls
from meterdeck.core.adapters.redis_client import (
    execute_write,
    redis_errors,
    server_time,
)
from meterdeck.core.adapters.script_loading import load_scripts, missing_scripts
from meterdeck.core.adapters.server_facts import ask_all
from meterdeck.core.adapters.server_reading import health_of
from meterdeck.core.errors import Refused
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.names import name_text
from meterdeck.core.model.server_verdicts import memory
from meterdeck.core.model.wording import counted, minute
from meterdeck.core.services.doctor.check import Patient
from meterdeck.core.services.doctor.file_check import exposed_at
from meterdeck.core.services.doctor.flight_checks import (
    Leased,
    leased,
    queues_without_group,
    stale_leases,
)
from meterdeck.core.services.doctor.index_check import behind, unlisted
from meterdeck.core.services.sync.billable import Billables, NotBilled
from meterdeck.core.settings.file_modes import Exposed

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to change.

    Attributes:
        what: What will be different, in words.
        make: Changes it; may raise Unreachable, Refused or OSError.
    """

    what: str
    make: Callable[[], Awaitable[None]]


async def _scripts(patient: Patient) -> list[Change]:
    redis, missing = patient.redis, await missing_scripts(patient.redis)
    return [
        Change(f"load script {n}", partial(load_scripts, redis, [n])) for n in missing
    ]


async def _eviction(patient: Patient) -> list[Change]:
    """Stop eviction; not where memory is so full that writes would be refused."""
    servers = [health_of(each) for each in await patient.facts()]
    wrong = [each for each in servers if each.memory.policy != "noeviction"]
    full = [each for each in servers if memory(each).severity is not Severity.OK]
    if full or not wrong:
        return []
    before = ", ".join(dict.fromkeys(each.memory.policy for each in wrong))
    what = (
        f"maxmemory-policy {before} → noeviction, until the server starts anew (its"
        " configuration file is yours to change)"
    )
    return [Change(what, partial(_set_policy, patient))]


async def _set_policy(patient: Patient) -> None:
    with redis_errors():
        await ask_all(patient.redis, "CONFIG SET", "maxmemory-policy", "noeviction")


async def _index(patient: Patient) -> list[Change]:
    changes = []
    if lost := await unlisted(patient):
        what = counted(len(lost), "tenant")
        changes.append(
            Change(f"put {what} into the index", partial(_list, patient, lost))
        )
    if gap := await behind(patient):
        what = f"count changes on from the newest: {gap:,} more"
        changes.append(Change(what, partial(_raise, patient, gap)))
    return changes


async def _list(patient: Patient, names: list[bytes]) -> None:
    layout = patient.context.redis.layout
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        await _write(patient, "SADD", layout.tenants(), *some)
    await _write(patient, "HINCRBY", layout.directory(), "revision", 1)


async def _raise(patient: Patient, by: int) -> None:
    await _write(patient, "INCRBY", patient.context.redis.layout.sequence(), by)


async def _write(patient: Patient, *command: bytes | str | int) -> None:
    what = f"the doctor's {command[0]!s}"
    await execute_write(patient.redis, *command, what=what, operation_id="")


async def _queue(patient: Patient) -> list[Change]:
    calls = QueueCalls(patient.redis, "doctor", 0)
    return [
        Change(
            f"make the consumer group of {name_text(key)}", partial(_group, calls, key)
        )
        for key in await queues_without_group(patient)
    ]


async def _group(calls: QueueCalls, key: bytes) -> None:
    await calls.make_group(key)


async def _leases(patient: Patient) -> list[Change]:
    return [
        Change(
            f"end the lease of {each.counter.tenant} {each.counter.resource}"
            f" {each.counter.period}, held until {minute(each.until)} UTC by"
            f" {each.worker}; the same event is sent again, and counted once",
            partial(_end_lease, patient, each),
        )
        for each in await stale_leases(patient)
    ]


async def _end_lease(patient: Patient, shown: Leased) -> None:
    """Claim the event as the worker that is gone, for a moment: anybody may next."""
    context = patient.context
    billables = Billables(context)
    billables.put((await patient.tenants()).values())
    now = await server_time(patient.redis)
    # Another event, or a new one where that is settled, is not what was shown.
    if await leased(patient, shown.counter) != shown:
        raise Refused("the event is not held any more as it was shown; look again")
    wanted = billables.wanted(shown.counter, now, at_once=False)
    if isinstance(wanted, NotBilled):
        raise Refused(f"this counter cannot be billed as it is: {wanted.value}")
    delivery = replace(context.delivery, takeover_s=0.001, replica_wait_s=0.0)
    brief = replace(context, delivery=delivery)
    await BillingRecords(patient.redis, brief, shown.worker).claim([wanted])


async def _files(patient: Patient) -> list[Change]:
    found = await asyncio.to_thread(exposed_at, patient.places)
    return [
        Change(
            f"chmod {each.right:o} {each.path} (now {each.mode:o})",
            partial(_close, each),
        )
        for each in found
        if each.ours
    ]


async def _close(file: Exposed) -> None:
    await asyncio.to_thread(file.path.chmod, file.right)


REMEDIES: Mapping[str, Callable[[Patient], Awaitable[list[Change]]]] = {
    "eviction": _eviction,
    "scripts": _scripts,
    "index": _index,
    "queue": _queue,
    "leases": _leases,
    "files": _files,
}
"""By the check's name: what would be changed so that it passes."""
