"""What the tests of an account in a file ask it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from meterdeck.core.local_stripe import LocalStripe

API_KEY = "sk_test_sandbox"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
Open = Callable[..., LocalStripe]


def rows_of(stripe: LocalStripe, path: str) -> list[Any]:
    """Return what a list has."""
    found: Any = stripe.call("GET", path, {"limit": 100})["data"]
    return list(found)


async def post(
    stripe: LocalStripe, path: str, headers: dict[str, str], **data: str
) -> httpx.Response:
    """Send a form in process."""
    transport = httpx.ASGITransport(stripe.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.post(path, data=data, headers=headers)
