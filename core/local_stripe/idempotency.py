"""Idempotency keys: a repeated request gets the first answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.local_stripe.refusals import LocalStripeRefusal, invalid

LONGEST_KEY = 255
_KEPT_FOR = timedelta(hours=24)
KEPT_BY_V2 = timedelta(days=30)
# Stripe has no such bound; a worker that sends for days must not fill the memory.
MOST_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent, to be sent again."""

    request_id: str
    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    fingerprint: str
    begun: datetime
    answer: StoredAnswer | None


class IdempotencyKeys:
    """Remember answers by key for 24 hours, unless told otherwise."""

    def __init__(self, kept_for: timedelta = _KEPT_FOR) -> None:
        self._kept_for = kept_for
        self._entries: dict[str, _Entry] = {}

    def begin(self, key: str, fingerprint: str, now: datetime) -> StoredAnswer | None:
        """Claim a key, or give the answer stored under it.

        Raises:
            LocalStripeRefusal: The key is in flight, or belongs to another request.
        """
        if len(key) > LONGEST_KEY:
            raise invalid(
                f"Idempotency keys can be at most {LONGEST_KEY} characters long."
            )
        self._forget(now)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(fingerprint, now, None)
            return None
        if entry.fingerprint != fingerprint:
            raise _other_request(key)
        if entry.answer is None:
            raise in_flight(key)
        return entry.answer

    def store(self, key: str, answer: StoredAnswer) -> None:
        """Keep the answer of a request that ran."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries[key] = _Entry(entry.fingerprint, entry.begun, answer)

    def release(self, key: str) -> None:
        """Forget a request that did not run, so that a repeat runs anew."""
        self._entries.pop(key, None)

    def forget_running(self) -> None:
        """Forget requests that never ended, as the process did that ran them."""
        for key, entry in list(self._entries.items()):
            if entry.answer is None:
                del self._entries[key]

    def _forget(self, now: datetime) -> None:
        horizon = now - self._kept_for
        while self._entries:
            oldest = next(iter(self._entries))
            young = self._entries[oldest].begun > horizon
            if young and len(self._entries) < MOST_KEPT:
                return
            del self._entries[oldest]


def _other_request(key: str) -> LocalStripeRefusal:
    return LocalStripeRefusal(
        "Keys for idempotent requests can only be used with the same parameters they"
        f" were first used with. Try using a key other than '{key}' if you meant to"
        " execute a different request.",
        kind="idempotency_error",
    )


def in_flight(key: str) -> LocalStripeRefusal:
    """Refuse a key whose first request is still running."""
    return LocalStripeRefusal(
        "There is currently another in-progress request using this Idempotent Key"
        " (that probably means you submitted twice, and the other request is still"
        f" going through): {key}. Please try again later.",
        status=409,
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )
