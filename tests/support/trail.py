"""Entries of an audit trail as somebody would have left them."""

from datetime import datetime

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.usage import ResourceName, TenantId


def entry(
    action: str,
    before: str,
    after: str,
    *,
    at: datetime,
    period: str = "2026-11",
    resource: str = "api_calls",
) -> AuditEntry:
    """Return an entry of acme's trail; its digests are made up."""
    return AuditEntry(
        f"{int(at.timestamp() * 1000)}-0", at, "ana", "local", action,
        TenantId("acme"), ResourceName(resource), period, before, after,
        "a test", "quota_only", "op", "0" * 40, "1" * 40,
    )  # fmt: skip
