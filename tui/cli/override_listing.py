"""What `override list` prints: overrides in force, and what happens at their end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from meterdeck.core.errors import NotFound
from meterdeck.core.model.changes import Override
from meterdeck.core.model.override_ends import (
    Ending,
    Fallback,
    ending_of,
    ending_words,
)
from meterdeck.core.model.usage import Resource, ResourceName, Tenant, TenantId, Usage
from meterdeck.core.model.wording import minute
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.json_form import context_form, ending_form, override_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.tenant_filter import filtered_tenants
from meterdeck.tui.cli.words import amount

_AT_ONCE = 32
Counters = dict[TenantId, tuple[Tenant, tuple[Usage, ...]]]


async def list_overrides(call: Call) -> int:
    """Print those of one tenant, or of all, in the order of their names."""
    meant = await filtered_tenants(call)
    found = await call.engine.changes.overrides(await call.tenant_id())
    found = tuple(each for each in found if meant is None or each.tenant in meant)
    counters, now = await _counters(call, found), await call.engine.now()
    endings = [_ending(call, each, counters, now) for each in found]
    pairs = list(zip(found, endings, strict=True))
    if call.out.as_json:
        forms = [{**override_form(one), **ending_form(end)} for one, end in pairs]
        call.out.object({**context_form(call.context), "overrides": forms})
    elif found:
        call.out.table([_row(call, one, end, now) for one, end in pairs])
    else:
        note(
            "no override is in force"
            + (" of these tenants" if meant is not None else "")
        )
    return 0


async def _counters(call: Call, found: Sequence[Override]) -> Counters:
    """Read the counters of every tenant that has an override."""
    names = sorted({each.tenant for each in found})
    read: Counters = {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        answers = await asyncio.gather(*(_of(call, name) for name in some))
        read.update(zip(some, answers, strict=True))
    return read


async def _of(call: Call, name: TenantId) -> tuple[Tenant, tuple[Usage, ...]]:
    try:
        tenant = await call.engine.directory.get(name)
    except NotFound:
        tenant = Tenant(name, name)
    return tenant, await call.engine.usage.usage(tenant)


def _ending(
    call: Call, override: Override, counters: Counters, now: datetime
) -> Ending | None:
    """Return what happens at its end; None for a resource that is one no more."""
    tenant, usages = counters[override.tenant]
    for usage in usages:
        if usage.resource == override.resource:
            resource = call.context.resource(usage.resource)
            fallback = Fallback(
                tenant,
                resource,
                call.context.limit_of(tenant, resource.name),
                call.context.rule_of(tenant, resource.name),
                usage.used,
                resets_at=None if usage.period.endless else usage.period.end,
            )
            return ending_of(override, fallback, now)
    return None


def _row(
    call: Call, override: Override, ending: Ending | None, now: datetime
) -> tuple[Cell | str, ...]:
    resource = _resource(call, override.resource)
    until = (
        f"until {minute(override.expires_at)}" if override.expires_at else "for good"
    )
    then = f"→ {ending_words(ending, now)}" if ending else ""
    return (
        override.tenant,
        resource.label,
        Cell(amount(override.units, resource), right=True),
        until,
        Cell(then, Tone.HIGH if ending and ending.tight else Tone.PLAIN),
        override.actor,
        Cell(override.reason, Tone.FAINT),
    )


def _resource(call: Call, name: ResourceName) -> Resource:
    """Return the resource, or one made up for an override of a former one."""
    for resource in call.context.resources:
        if resource.name == name:
            return resource
    return Resource(name, name, "")
