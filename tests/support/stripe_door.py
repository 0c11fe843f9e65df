"""A door before a local Stripe, at which one write after another can go wrong."""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send
from tests.support.stripe_in_process import Wrong
from tests.support.troubled_stripe import Refusal

from meterdeck.core.local_stripe import LocalStripe

_NO = Refusal(400, "parameter_invalid", "no")
_BROKEN = Refusal(500, "api_error")


class Door:
    """The application of a local Stripe.

    Attributes:
        at: Number of the write that goes wrong, counted from 1.
        writes: Paths of those that came.
    """

    def __init__(self, local: LocalStripe) -> None:
        self.local = local
        self.at = 0
        self.wrong = Wrong.REFUSED
        self.writes: list[str] = []
        self._away = False

    def mend(self) -> None:
        """Let everything go right from now on."""
        self.at, self._away = 0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or do not."""
        if scope["method"] != "POST":
            if self._away:
                await _NO.give(send)
            else:
                await self._through(scope, receive, send)
            return
        self.writes.append(scope["path"])
        wrong = self.wrong if len(self.writes) == self.at else None
        match wrong:
            case None:
                await self._through(scope, receive, send)
            case Wrong.REFUSED:
                await _NO.give(send)
            case Wrong.BROKEN_BEFORE:
                await _BROKEN.give(send)
            case Wrong.BROKEN_AFTER:
                await self._through(scope, receive, _nowhere)
                await _BROKEN.give(send)
            case Wrong.LOST_AFTER | Wrong.AWAY_AFTER:
                self._away = wrong is Wrong.AWAY_AFTER
                await self._through(scope, receive, _nowhere)
                await _cut(send)

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.local.app(scope, receive, send)


async def _nowhere(_message: Message) -> None:
    return


async def _cut(send: Send) -> None:
    # The head says how long the body is; the server closes when there is less.
    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
