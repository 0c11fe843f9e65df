"""Calls about one resource, made ready for their scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from meterdeck.core.adapters.kind_calls import KindCall, OneLimit
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.usage import (
    Limit,
    LimitSource,
    Resource,
    Tenant,
    TenantId,
)
from meterdeck.core.services.kinds import OneCall

_NOBODY = Tenant(TenantId(""), "")  # no plan of its own: the default's limits


class OneCalls:
    """Makes calls of one context.

    Args:
        keep_s: How long a repeated call id gets the first answer.
    """

    def __init__(self, context: Context, keep_s: int) -> None:
        self._context = context
        self._layout = context.redis.layout
        self._keep_s = keep_s

    def of(
        self, wanted: OneCall, resource: Resource, keys: Sequence[bytes]
    ) -> KindCall:
        """Return a call; the arguments were checked."""
        layout, call_id = self._layout, wanted.call_id
        return KindCall(
            tenant=name_bytes(wanted.tenant),
            term=self._term(resource, wanted.limits),
            keys=keys,
            call=b"" if call_id is None else layout.call(wanted.tenant, call_id),
            index=() if layout.tagged else (layout.sequence(), layout.changed()),
            call_id=call_id or "",
            keep_s=self._keep_s,
        )

    def _term(self, resource: Resource, limits: Mapping[str, int] | None) -> OneLimit:
        name = resource.name
        limit = self._context.limit_of(_NOBODY, name)
        if limits and limit.source is LimitSource.NONE:
            limit = Limit(limits[name], LimitSource.ARGUMENT)
        rule = self._context.default_rule(name)
        return OneLimit(name, limit, rule.text if rule else "")
