"""The fault panel of a sandbox's Stripe, over HTTP.

With the standard library's client, in a thread: it is there at once, where the one the
gateway uses takes a fifth of a second to import.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from meterdeck.core.errors import BadInput, ReadOnly, Refused, StripeUnreachable
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.fault_sight import FaultSight
from meterdeck.core.model.faults import OFF
from meterdeck.core.model.text import visible

_FAULTS = "/_sandbox/faults"
_TIMEOUT_S = 5.0
_MOST_BYTES = 1_000_000


def sandbox_control(context: Context) -> SandboxControl:
    """Return the fault panel of a context's Stripe; nothing is sent yet.

    Raises:
        Refused: Its Stripe is not a sandbox's.
    """
    name = visible(context.name)
    if context.mode is not Mode.SANDBOX:
        raise Refused(
            f"{name} is a {context.mode.value} context; only a sandbox's Stripe goes"
            " wrong on purpose: --context sandbox"
        )
    base = context.stripe.api_base if context.stripe else ""
    parts = urlsplit(base)
    if parts.scheme != "http" or not _is_here(parts.hostname or ""):
        raise Refused(f"the Stripe of {name} is not a sandbox of this machine")
    return SandboxControl(base, reads_only=context.read_only)


class SandboxControl:
    """Looks at the panel and changes it; all but `advance` may be repeated."""

    def __init__(self, api_base: str, *, reads_only: bool = False) -> None:
        self._base = api_base
        self._reads_only = reads_only

    async def look(self) -> FaultSight:
        """Return what is set, and what it has done.

        Raises:
            StripeUnreachable: The sandbox does not answer.
            Refused: What answers is no sandbox of meterdeck's.
        """
        return _sight(await self._ask("GET", _FAULTS))

    async def change(self, changes: Mapping[str, object]) -> FaultSight:
        """Change settings, named as in `fault_knobs`; `preset` first clears the rest.

        Raises:
            BadInput: A setting that there is not, or a value it cannot have.
            StripeUnreachable, Refused: As `look`.
        """
        return _sight(await self._ask("POST", _FAULTS, changes))

    async def clear(self) -> FaultSight:
        """Turn everything off.

        Raises:
            StripeUnreachable, Refused: As `look`.
        """
        return _sight(await self._ask("DELETE", _FAULTS))

    async def settle(self) -> int:
        """Show now what shows later; return how many things it were.

        Raises:
            StripeUnreachable, Refused: As `look`.
        """
        return int((await self._ask("POST", "/_sandbox/settle", {}))["settled"])

    async def advance(self, seconds: float) -> FaultSight:
        """Move Stripe's clock ahead. Not to be repeated: each call moves it.

        Raises:
            BadInput: More than ten years.
            StripeUnreachable, Refused: As `look`.
        """
        found = await self._ask("POST", "/_sandbox/clock", {"advance": seconds})
        return _sight(found)

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        if self._reads_only and method != "GET":
            raise ReadOnly("this context is read-only; nothing was changed")
        try:
            status, text = await asyncio.to_thread(self._exchange, method, path, body)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise StripeUnreachable(
                f"the sandbox at {self._base} does not answer: {reason}"
            ) from error
        found = _object(text)
        if status == 400:
            raise BadInput(_message(found))
        if status != 200:
            why = _message(found) or f"it answered {status}"
            raise Refused(f"{self._base} is no sandbox of this meterdeck: {why}")
        return found

    def _exchange(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> tuple[int, bytes]:
        parts = urlsplit(self._base)
        connection = HTTPConnection(
            parts.hostname or "", parts.port, timeout=_TIMEOUT_S
        )
        sent = None if body is None else json.dumps(body).encode()
        headers = {} if sent is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST_BYTES)
        finally:
            connection.close()


def _sight(found: dict[str, Any]) -> FaultSight:
    try:
        return FaultSight(
            faults=OFF.changed(found["faults"]),
            outage_left_s=found["outage_left_s"],
            since=datetime.fromisoformat(found["since"]),
            requests=int(found["requests"]),
            injected=found["injected"],
            events=found["events"],
            now=datetime.fromisoformat(found["now"]),
        )
    except (KeyError, TypeError, ValueError, BadInput) as error:
        raise Refused("the sandbox is of another version of meterdeck") from error


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(found: Mapping[str, Any]) -> str:
    error = found.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
