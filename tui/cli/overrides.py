"""`meterdeck override set|clear|list`: a tenant's own limit for a resource."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meterdeck.core.errors import BadInput, NotFound
from meterdeck.core.model.bulk_override import BEYOND, LimitChange, parse_limit_change
from meterdeck.core.model.change_requests import ClearLimit, SetLimit
from meterdeck.core.model.override_words import OverrideWords
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import (
    Limit,
    LimitSource,
    Resource,
    Tenant,
)
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.bulk_overrides import clear_filtered, set_filtered
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.foresight import foretell
from meterdeck.tui.cli.json_form import (
    context_form,
    limit_form,
    moment,
)
from meterdeck.tui.cli.output import note
from meterdeck.tui.cli.override_listing import list_overrides
from meterdeck.tui.cli.when import counts_from_now, parse_until, show_moment
from meterdeck.tui.cli.words import limit_words


def run_set(args: Namespace) -> int:
    """Give a tenant a limit of its own."""
    return run_call(args, _set, without_stripe=True)


def run_clear(args: Namespace) -> int:
    """Give a tenant the plan's limit back."""
    return run_call(args, _clear, without_stripe=True)


def run_list(args: Namespace) -> int:
    """List the overrides in force."""
    return run_call(args, list_overrides, without_stripe=True)


@dataclass(frozen=True, slots=True)
class _Change:
    """A limit before and after, and until when."""

    tenant: Tenant
    resource: Resource
    before: Limit
    after: Limit
    expires_at: datetime | None = None

    def __str__(self) -> str:
        before = limit_words(self.before, self.resource)
        after = limit_words(self.after, self.resource)
        until = f" until {show_moment(self.expires_at)}" if self.expires_at else ""
        return (
            f"{self.tenant.id} · limit of {self.resource.label}:"
            f" {before} → {after}{until}"
        )


async def _set(call: Call) -> int:
    call.refuse_read_only()
    if call.args.filter:
        return await set_filtered(call, _expiry(call))
    resource = call.context.resource(call.args.resource)
    wanted = parse_limit_change(call.args.limit, resource.scale)
    expires_at = _expiry(call)
    tenant = await call.tenant(counted=True)
    before = (await call.usage_of(tenant, resource.name)).limit
    made = await _made(call, tenant, resource)
    if made and made.expires_at and _ends_from_now(call):
        expires_at = made.expires_at
    if made is None or wanted.factor is None:
        units = _units(wanted, before, tenant)
    else:
        units = made.units
    limit = Limit(units, LimitSource.OVERRIDE)
    change = _Change(tenant, resource, before, limit, expires_at)
    wish = SetLimit(tenant.id, resource.name, limit.units, expires_at, call.args.reason)
    await foretell(call, wish)
    if call.args.dry_run:
        return _tell(call, change, operation_id=None)
    confirm(call, str(change))
    operation_id = operation_id_of(call.args)
    done = await call.engine.changes.set_override(
        tenant.id,
        resource.name,
        limit.units,
        expires_at=expires_at,
        actor=current_actor(),
        reason=call.args.reason,
        operation_id=operation_id,
    )
    change = replace(change, expires_at=done.expires_at)
    return _tell(call, change, operation_id=operation_id)


async def _clear(call: Call) -> int:
    call.refuse_read_only()
    if call.args.filter:
        return await clear_filtered(call)
    resource = call.context.resource(call.args.resource)
    tenant = await call.tenant(counted=True)
    before = (await call.usage_of(tenant, resource.name)).limit
    after = call.context.limit_of(tenant, resource.name)
    change = _Change(tenant, resource, before, after)
    await foretell(call, ClearLimit(tenant.id, resource.name, call.args.reason))
    if call.args.dry_run:
        if before.source is not LimitSource.OVERRIDE:
            raise NotFound(f"{tenant.id} has no override of {resource.name}")
        return _tell(call, change, operation_id=None)
    confirm(call, str(change))
    operation_id = operation_id_of(call.args)
    await call.engine.changes.clear_override(
        tenant.id,
        resource.name,
        actor=current_actor(),
        reason=call.args.reason,
        operation_id=operation_id,
    )
    return _tell(call, change, operation_id=operation_id)


async def _made(call: Call, tenant: Tenant, resource: Resource) -> OverrideWords | None:
    """Return what the operation that is repeated has set, or asked for, if any has."""
    given: str | None = call.args.operation_id
    if given is None:
        return None
    return await call.engine.changes.override_made(tenant.id, resource.name, given)


def _ends_from_now(call: Call) -> bool:
    """Tell whether the end that is written is another one at another time."""
    return call.args.until is not None and counts_from_now(call.args.until)


def _units(wanted: LimitChange, before: Limit, tenant: Tenant) -> int | None:
    if wanted.factor is None:
        return wanted.units
    if before.units is None:
        raise BadInput(f"{tenant.id} is unlimited, which is not multiplied")
    units = wanted.of(before.units)
    if units is not None and units > LARGEST:
        raise BadInput(f"{tenant.id}: that is {BEYOND}, {LARGEST:,}")
    return units


def _expiry(call: Call) -> datetime | None:
    if call.args.until is not None:
        return parse_until(call.args.until, datetime.now(UTC).replace(microsecond=0))
    if call.context.override_needs_expiry:
        raise BadInput(
            f"in context {call.context.name} an override must end;"
            " say when, for example --until 3d"
        )
    return None


def _tell(call: Call, change: _Change, *, operation_id: str | None) -> int:
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": change.tenant.id,
                "resource": change.resource.name,
                "scale": change.resource.scale,
                "before": limit_form(change.before),
                "after": limit_form(change.after),
                "expires_at": moment(change.expires_at),
                "operation_id": operation_id,
                "dry_run": bool(call.args.dry_run),
            }
        )
        return 0
    call.out.line(str(change))
    if call.args.dry_run:
        note("dry run: nothing was changed")
    return 0
