"""The session that Stripe's event stream asks for: a token for fifteen minutes."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from uuid import uuid4

from meterdeck.core.adapters import stripe_objects as read
from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Json, Posted, RequestFailed

_PATH = "/v2/billing/meter_event_session"
_LASTS_S = 15 * 60.0
_EARLY_S = 60.0


class StreamSession:
    """One token at a time, replaced a minute before it expires."""

    def __init__(self, requests: StripeRequests) -> None:
        self._requests = requests
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    async def token(self, expired: str = "") -> str:
        """Return a token; not `expired`, which Stripe took no longer.

        Raises:
            RequestFailed: There is none: nothing can be sent.
        """
        if self._good(expired):
            return self._token
        async with self._asking:
            if not self._good(expired):  # nobody got one meanwhile
                await self._renew()
        return self._token

    def _good(self, expired: str) -> bool:
        fresh = time.monotonic() < self._renew_at
        return fresh and self._token != expired

    async def _renew(self) -> None:
        posted = Posted(_PATH, b"{}", f"mds-{uuid4().hex}", json=True)
        started = time.monotonic()
        answer = await self._requests.post(posted)
        token = read.text(answer.body, "authentication_token")
        if not token:
            words = "Stripe opened a session for meter events without a token"
            raise RequestFailed(Fault(FaultKind.BROKEN, words))
        self._token = token
        self._renew_at = started + _lasts_s(answer.body) - _EARLY_S


def _lasts_s(session: Json) -> float:
    """Return a session's time from start to end: no clock of ours is asked."""
    try:
        created = datetime.fromisoformat(read.text(session, "created"))
        expires = datetime.fromisoformat(read.text(session, "expires_at"))
        return (expires - created).total_seconds()
    except (ValueError, TypeError):  # none there, or without a zone
        return _LASTS_S
