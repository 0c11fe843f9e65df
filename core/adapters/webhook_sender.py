"""Posts alerts to the one address that is told of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from meterdeck.core.adapters.webhook_signature import signature_of
from meterdeck.core.model.context import AlertWebhook
from meterdeck.core.model.text import visible

if TYPE_CHECKING:
    import aiohttp

SIGNATURE, DELIVERY = "Meterdeck-Signature", "Meterdeck-Delivery"
_CONNECT_S = 5.0


class WebhookSender:
    """Sends one request at a time a call, once; belongs to the loop it is used in.

    What it says of a failure never holds the address: it may be a secret.
    """

    def __init__(self, webhook: AlertWebhook, timeout_s: float) -> None:
        self._webhook = webhook
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None

    async def send(self, delivery: str, body: str) -> str:
        """Post a body; return why it was not taken, or "" where it was.

        Taken is a 2xx within the deadline. Redirects are not followed: they would carry
        the alert to an address that nobody configured.
        """
        import aiohttp  # noqa: PLC0415  # costs 0.2 s, and most workers need not send

        raw = body.encode()
        # Receivers compare it with their own clock, not with Redis's.
        signature = signature_of(raw, self._webhook.secret.reveal(), int(time.time()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "meterdeck",
            SIGNATURE: signature,
            DELIVERY: delivery,
        }
        url = self._webhook.url.reveal()
        try:
            async with self._session().post(
                url, data=raw, headers=headers, allow_redirects=False
            ) as answer:
                return _said(answer.status)
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except aiohttp.ClientConnectorCertificateError:
            return "its certificate is not accepted"
        except (aiohttp.ClientError, OSError) as error:
            return _in_words(error)

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415  # as above

        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=self._timeout_s,
                    sock_connect=min(_CONNECT_S, self._timeout_s),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._http

    async def close(self) -> None:
        """Close the connections; requests on their way are given up."""
        if self._http is not None:
            await self._http.close()


def _said(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"it answered {status}, and redirects are not followed"
    return f"it answered {status}"


def _in_words(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    reason = getattr(cause, "strerror", None)
    return f"cannot be reached: {visible(str(reason or type(error).__name__), 120)}"
