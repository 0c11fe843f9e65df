"""A gateway to a local Stripe in this process, where single writes can go wrong.

HTTP takes most of the time of a test that plans and applies a hundred times. What goes
wrong here is what the adapter makes of it when it goes wrong over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from meterdeck.core.adapters.stripe_errors import Fault, FaultKind
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_transport import Answer, RequestFailed
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.model.context import Mode, Secret, StripeOptions

_OPTIONS = StripeOptions(Secret("sk_test_local"))
_BROKEN = Fault(FaultKind.BROKEN, "Stripe has a fault (500)", 500)
_LOST = Fault(FaultKind.LOST, "Stripe closed the connection unanswered")
_NO = Fault(FaultKind.REFUSED, "no", 400)


class Wrong(StrEnum):
    """How a write goes wrong."""

    REFUSED = "refused"
    BROKEN_BEFORE = "500, and not done"
    BROKEN_AFTER = "500, and done"
    LOST_AFTER = "done, and the answer is lost"
    AWAY_AFTER = "done, the answer is lost, and then nothing can be read"


_FAULTS = {
    Wrong.REFUSED: _NO,
    Wrong.BROKEN_BEFORE: _BROKEN,
    Wrong.BROKEN_AFTER: _BROKEN,
    Wrong.LOST_AFTER: _LOST,
    Wrong.AWAY_AFTER: _LOST,
}
_NOT_DONE = (Wrong.REFUSED, Wrong.BROKEN_BEFORE)


class InProcess(StripeRequests):
    """Requests to a local Stripe without HTTP.

    Attributes:
        at: Number of the write that goes wrong, counted from 1; 0 for none.
        keys: The Idempotency-Keys of the writes that came.
        lost: What was sent with the write that went wrong.
    """

    def __init__(
        self, local: LocalStripe, at: int = 0, wrong: Wrong = Wrong.REFUSED
    ) -> None:
        super().__init__(_OPTIONS, Mode.SANDBOX)
        self.local = local
        self.at = at
        self.wrong = wrong
        self.keys: list[str] = []
        self.lost: dict[str, Any] = {}
        self._away = False

    def gateway(self) -> StripeGateway:
        """Return a gateway that asks here."""
        gateway = StripeGateway(_OPTIONS, Mode.SANDBOX)
        gateway._requests = self
        return gateway

    def mend(self) -> None:
        """Let everything go right from now on."""
        self.at, self._away = 0, False

    async def send(self, method: str, path: str, params: Mapping[str, Any]) -> Answer:
        """Answer, or do not."""
        sent = dict(params)
        key = sent.pop("idempotency_key", "")
        if method == "get":
            if self._away:
                raise RequestFailed(_NO)
            return self._do(method, path, sent)
        self.keys.append(key)
        if len(self.keys) != self.at:
            return self._do(method, path, sent)
        self.lost = sent
        if self.wrong not in _NOT_DONE:
            self._do(method, path, sent)
        self._away = self.wrong is Wrong.AWAY_AFTER
        raise RequestFailed(_FAULTS[self.wrong])

    def _do(self, method: str, path: str, sent: dict[str, Any]) -> Answer:
        try:
            return Answer(self.local.call(method.upper(), path, sent), "req_test")
        except LocalStripeRefusal as refusal:
            code = refusal.code or ""
            raise RequestFailed(
                Fault(FaultKind.REFUSED, str(refusal), refusal.status, code)
            ) from refusal
