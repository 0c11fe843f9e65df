"""Script calls made by hand, as the library would not make them."""

from dataclasses import replace
from datetime import datetime, timedelta

from tests.support.contexts import CALLS

from meterdeck.core.adapters.consume_calls import ConsumeCall, Head, Term
from meterdeck.core.adapters.resp import bulks
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import NO_LIMIT

DAY_MS = 86_400_000


def index(layout: KeyLayout) -> tuple[bytes, ...]:
    """Name the index's keys; on a cluster it is left out."""
    if layout.tagged:
        return ()
    return layout.sequence(), layout.changed(), layout.reserving()


def call_keys(layout: KeyLayout, tenant: str) -> list[bytes]:
    """Name the keys of a call of one resource."""
    return [
        layout.tenant(tenant),
        layout.refusals(tenant),
        layout.counter(tenant, CALLS, "2026-11"),
        layout.override(tenant, CALLS),
        layout.reserved(tenant, CALLS, "2026-11"),
    ]


def script_call(
    layout: KeyLayout, tenant: str, start: datetime, **changes: object
) -> ConsumeCall:
    """Return a call of one unit in the period of 30 days that begins at `start`."""
    period = replace(calendar_month(start), start=start, end=start + timedelta(days=30))
    head = Head(index(layout), 600, DAY_MS)
    call = ConsumeCall(
        head=head,
        group=head,
        who=bulks((tenant.encode(), b"")),
        keys=bulks(call_keys(layout, tenant)),
        key_count=5,
        terms=[Term.of(CALLS, period, NO_LIMIT)],
        amounts=[1],
        call_id="",
    )
    return replace(call, **changes)  # type: ignore[arg-type]  # names are checked there
