"""The error answers of the fault panel, in Stripe's own words where they are known.

Sources and guesses: docs/local-stripe-sources.md.
"""

from __future__ import annotations

from meterdeck.core.local_stripe.answers import Asked
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.model.faults import Faults


def rate_limit(faults: Faults, asked: Asked, reason: str = "") -> LocalStripeRefusal:
    """Refuse for too many requests; `reason` says which limit was really reached."""
    headers = {"stripe-rate-limited-reason": reason or faults.reason}
    if faults.retry_after_s:
        headers["retry-after"] = f"{faults.retry_after_s:.0f}"
    return LocalStripeRefusal(
        "Testmode request rate limit exceeded, the rate limits in testmode are lower"
        " than livemode. You can learn more about rate limits here"
        " https://stripe.com/docs/rate-limits.",
        status=429,
        kind="rate_limit" if asked.is_v2 else "invalid_request_error",
        code="rate_limit",
        headers=headers,
    )


def lock_timeout() -> LocalStripeRefusal:
    """Refuse because another request holds the object."""
    return LocalStripeRefusal(
        "This object can't be accessed right now because another API request or Stripe"
        " process is currently accessing it. If you see this error intermittently,"
        " retry the request. If you see this error frequently and are making multiple"
        " concurrent requests to a single object, make your requests serially or at a"
        " lower rate.",
        status=429,
        code="lock_timeout",
        headers={"stripe-should-retry": "true"},
    )


def concurrent() -> LocalStripeRefusal:
    """Refuse the second of two events at once of one customer and meter."""
    return LocalStripeRefusal(
        "Cannot create multiple usage events for the same customer, meter"
        " concurrently.",
        status=409,
        code="too_many_concurrent_requests",
    )


def unavailable() -> LocalStripeRefusal:
    """Answer for a Stripe that is away."""
    return LocalStripeRefusal(
        "Stripe is temporarily unavailable. Please try again later.",
        status=503,
        kind="api_error",
    )
