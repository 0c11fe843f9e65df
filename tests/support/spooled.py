"""Spooled calls for tests."""

from datetime import UTC, datetime

from meterdeck.core.model.degraded import SpooledCall
from meterdeck.core.model.usage import ResourceName, TenantId


def call(number: int) -> SpooledCall:
    """Return a call that is like no other."""
    return SpooledCall(
        f"call-{number}",
        TenantId("acme"),
        ((ResourceName("api_calls"), number + 1),),
        datetime(2026, 11, 22, tzinfo=UTC),
        server_time=True,
        sent=False,
    )
