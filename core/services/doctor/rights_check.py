"""Rights: may this Redis user do what counting needs? Asked, never tried."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.adapters.redis_refusals import is_no_permission
from meterdeck.core.adapters.server_facts import Command, may_run
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.context import Context
from meterdeck.core.model.diagnosis import Verdict, fault, ok, warning
from meterdeck.core.model.usage import Resource, ResourceKind
from meterdeck.core.services.doctor.check import Check, Patient

_TENANT = "meterdeck-doctor"
_PERIOD = "2026-11"
_MEND = "give it: {}, on the keys of docs/redis-contract.md, Rights"


async def _look(patient: Patient) -> Verdict:
    context = patient.context
    if context.read_only:
        return ok("not needed: this context changes nothing")
    needed = _needed(context)
    extras = _extras(context)
    try:
        may = await may_run(
            patient.redis,
            context.redis.layout.tenant(_TENANT),
            [*needed, *extras],
        )
    except RedisRefused as error:
        if not is_no_permission(error):
            raise
        return fault("this Redis user may run no script", _MEND.format("+eval"))
    lacking = _lacking(needed, may[: len(needed)])
    if lacking:
        found = f"counting needs {lacking}, which this Redis user may not"
        return fault(found, _MEND.format(lacking))
    if lacking := _lacking(extras, may[len(needed) :]):
        found = f"records of refusals and reservations need {lacking}"
        return warning(found, _MEND.format(lacking))
    return ok("scripts run, with every right that counting needs")


def _lacking(commands: Sequence[Command], may: Sequence[bool]) -> str:
    missing = [
        f"+{command[0]!s}"
        for command, allowed in zip(commands, may, strict=True)
        if not allowed
    ]
    return " ".join(dict.fromkeys(missing))


def _needed(context: Context) -> list[Command]:
    layout = context.redis.layout
    entry = layout.tenant(_TENANT)
    needed: list[Command] = [
        ("evalsha", "0" * 40, "1", entry),
        ("eval", "return 1", "1", entry),  # a server that was restarted knows none
        ("time",),
        ("hmget", entry, "anchor"),
        ("set", layout.call(_TENANT, "id"), "answer"),
    ]
    if layout.tagged:  # noted by the library itself, before the script
        needed.append(("zadd", layout.reserving(), "LT", "1", "counter"))
    else:
        needed += [
            ("incrby", layout.sequence(), "1"),
            ("zadd", layout.changed(), "1", _TENANT),
        ]
    for resource in context.resources:
        needed += _of_resource(context, resource)
    return needed


def _of_resource(context: Context, resource: Resource) -> list[Command]:
    layout, name = context.redis.layout, resource.name
    counter = layout.counter(_TENANT, name, _PERIOD)
    found: list[Command] = [
        ("type", counter),
        ("get", counter),
        ("mget", counter),
        ("incrby", counter, "1"),
        ("pexpireat", counter, "1", "NX"),
        ("exists", layout.override(_TENANT, name)),
        ("hmget", layout.override(_TENANT, name), "units"),
        ("exists", layout.reserved(_TENANT, name, _PERIOD)),
    ]
    if resource.kind is ResourceKind.UNIQUE:
        members = layout.members(_TENANT, name, _PERIOD)
        found += [
            ("pfadd", members, "member"),
            ("pfcount", members),
            ("unlink", members),
        ]
    if resource.kind is ResourceKind.GAUGE:
        found.append(("set", layout.measured(_TENANT, name), "0"))
    if context.default_rule(name) is not None:
        beyond = layout.beyond(_TENANT, name, _PERIOD)
        found += [
            ("hset", beyond, "passed_at", "0"),
            ("hincrby", beyond, "shadow_units", "1"),
        ]
    return found


def _extras(context: Context) -> list[Command]:
    layout = context.redis.layout
    refusals = layout.refusals(_TENANT)
    found: list[Command] = [
        ("xadd", refusals, "*", "at", "0"),
        ("xrevrange", refusals, "+", "-"),
        ("pexpire", refusals, "1"),
    ]
    for resource in context.resources[:1]:
        reserved = layout.reserved(_TENANT, resource.name, _PERIOD)
        found += [
            ("zrangebyscore", reserved, "-inf", "0"),
            ("zremrangebyscore", reserved, "-inf", "0"),
        ]
    return found


RIGHTS = Check(
    "rights",
    "Rights",
    "whether this Redis user may do what counting needs; asked, not tried",
    "Redis checks each command of a script against its user: one too few, and every"
    " call is refused.",
    _look,
)
