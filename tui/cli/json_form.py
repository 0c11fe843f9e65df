"""The JSON forms of what commands answer: the stable keys of docs/command-line.md.

Quantities are whole numbers of the resource's smallest unit, `scale` decimals of
them; a null limit is unlimited. Moments are ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from meterdeck.core.model.audit import BrokenChain
from meterdeck.core.model.changes import AuditEntry, Override
from meterdeck.core.model.context import Context
from meterdeck.core.model.override_ends import Ending
from meterdeck.core.model.periods import Period
from meterdeck.core.model.standing import Standing
from meterdeck.core.model.usage import Broken, Limit, Resource, Tenant, Usage

Form = dict[str, object]


def moment(at: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC: `2026-11-27T18:00:00Z`."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def context_form(context: Context) -> Form:
    """Return the two keys that begin every answer."""
    return {"context": context.name, "mode": context.mode.value}


def tenant_form(tenant: Tenant) -> Form:
    """Return a tenant as the directory knows it."""
    return {
        "id": tenant.id,
        "name": tenant.name,
        "customer": tenant.customer,
        "subscription": tenant.subscription,
        "plan": tenant.plan,
        "status": tenant.status.value,
    }


def period_form(period: Period) -> Form:
    """Return a period; its end is the first moment of the next.

    What does not reset has neither start nor end.
    """
    endless = period.endless
    return {
        "label": period.label,
        "start": None if endless else moment(period.start),
        "end": None if endless else moment(period.end),
    }


def limit_form(limit: Limit) -> Form:
    """Return a limit and the rule that gave it."""
    return {"limit": limit.units, "limit_source": limit.source.value}


def usage_form(usage: Usage, resource: Resource) -> Form:
    """Return one counter; `used` is null where its key holds no whole number."""
    broken = isinstance(usage.used, Broken)
    return {
        "resource": usage.resource,
        "unit": resource.unit,
        "scale": resource.scale,
        "period": period_form(usage.period),
        "used": None if broken else usage.used,
        "broken": usage.used.holds if isinstance(usage.used, Broken) else None,
        **limit_form(usage.limit),
        "remaining": usage.remaining,
        "percent": usage.percent,
    }


def standing_form(standing: Standing, resource: Resource) -> Form:
    """Return one counter with its limit's rule, and what went beyond it."""
    beyond = standing.beyond
    return {
        **usage_form(standing.usage, resource),
        "rule": standing.rule.text,
        "reserved": standing.usage.reserved,
        "over": standing.over,
        "grace_ends_at": moment(standing.grace_ends_at),
        "shadow_calls": beyond.shadow_calls,
        "shadow_units": beyond.shadow_units,
    }


def override_form(override: Override) -> Form:
    """Return an override in force."""
    return {
        "tenant": override.tenant,
        "resource": override.resource,
        "limit": override.units,
        "actor": override.actor,
        "reason": override.reason,
        "created_at": moment(override.created_at),
        "expires_at": moment(override.expires_at),
    }


def ending_form(ending: Ending | None) -> Form:
    """Return what happens when an override ends; null where it cannot be told."""
    if ending is None:
        return {"limit_then": None, "then": None, "over_then": None, "full_at": None}
    return {
        "limit_then": ending.fallback.limit.units,
        "then": ending.fate.value,
        "over_then": ending.over,
        "full_at": moment(ending.full_at),
    }


def audit_form(entry: AuditEntry) -> Form:
    """Return a line of the audit trail."""
    return {
        "id": entry.id,
        "at": moment(entry.at),
        "actor": entry.actor,
        "origin": entry.origin,
        "action": entry.action,
        "tenant": entry.tenant,
        "resource": entry.resource,
        "period": entry.period,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
        "bill": entry.bill,
        "operation_id": entry.operation_id,
        "undoes": entry.undoes or None,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def broken_form(broken: BrokenChain) -> Form:
    """Return where a trail is not as it was written; no entry where it is gone."""
    return {
        "tenant": broken.tenant,
        "entry_id": broken.entry_id or None,
        "problem": broken.problem,
    }
