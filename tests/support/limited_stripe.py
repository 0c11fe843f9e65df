"""A local Stripe that refuses one path by its rate limit, and whose clock moves on."""

from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal

LIMITED = "/v1/account"


def limited_stripe(api_key: str) -> LocalStripe:
    """Give an account that answers 429 for itself, and at once reports late errors."""
    clock = Clock.at_noon()
    local = LocalStripe(api_key=api_key, now=clock)

    async def pace(_method: str, path: str) -> None:
        if path == LIMITED:
            raise LocalStripeRefusal(
                "Request rate limit exceeded.", status=429, code="rate_limit"
            )
        if path == "/v2/core/events":
            # A window of ten seconds, and two until it is reported.
            clock.move(seconds=15)

    local.pace = pace
    return local
