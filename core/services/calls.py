"""Consume calls of one context, made ready to be sent."""

from __future__ import annotations

from collections.abc import Mapping

from meterdeck.core.adapters.consume_calls import ConsumeCall, Head
from meterdeck.core.adapters.resp import bulk
from meterdeck.core.model.context import Context
from meterdeck.core.services.terms import Form

_DAY_MS = 86_400_000


class Calls:
    """Makes calls out of forms.

    Args:
        keep_s: How long a repeated call id gets the first answer.
    """

    def __init__(self, context: Context, keep_s: int) -> None:
        layout = context.redis.layout
        self._layout = layout
        self._tagged = layout.tagged
        index = (layout.sequence(), layout.changed(), layout.reserving())
        self._head = Head(
            index=() if layout.tagged else index,
            call_retention_s=keep_s,
            retention_ms=context.redis.retention_days * _DAY_MS,
        )

    def plain(
        self,
        name: bytes,
        form: Form,
        amounts: Mapping[str, int],
        limits: Mapping[str, int] | None,
    ) -> ConsumeCall:
        """Return a call without an id; the arguments were checked."""
        terms = form.terms
        if limits:
            terms = tuple(each.under(limits.get(each.resource)) for each in terms)
        return ConsumeCall(
            self._head,
            # On a cluster a script call has one tenant: its keys lie in one slot.
            (self._head, name) if self._tagged else self._head,
            form.who.of(name),
            form.keys.of(name),
            form.key_count,
            terms,
            [*amounts.values()],
            "",
        )

    def identify(
        self, call: ConsumeCall, tenant: str, call_id: str, hold_ms: int
    ) -> None:
        """Give a call that nobody has sent yet its id, and the ms it holds."""
        call.keys += bulk(self._layout.call(tenant, call_id))
        call.key_count += 1
        call.call_id, call.hold_ms = call_id, hold_ms
