"""The official JavaScript SDK, from a meter to a signed webhook."""

import json
from pathlib import Path

from tests.support.limited_stripe import limited_stripe
from tests.support.node import node_modules, run_node

from meterdeck.core.local_stripe import LocalStripeServer

INTEROP = Path(__file__).parent
KEY = "sk_test_sandbox"


async def test_the_whole_flow_by_the_javascript_sdk() -> None:
    """Its objects hold what Stripe's would, and its errors have Stripe's types."""
    node_modules(INTEROP)

    async with LocalStripeServer(limited_stripe(KEY)) as server:
        done = await run_node(
            INTEROP / "stripe_flow.mjs",
            {"STRIPE_API_BASE": server.base_url, "STRIPE_API_KEY": KEY},
        )

    assert (done.err, done.code) == ("", 0)
    assert json.loads(done.out) == {
        "errors": [
            "StripeIdempotencyError",
            "StripeInvalidRequestError",
            "StripeInvalidRequestError",
            "StripeRateLimitError",
            "StripeAuthenticationError",
            "TemporarySessionExpiredError",
            "StripeSignatureVerificationError",
        ],
        # The first 1000 at a cent, the second at half a cent.
        "total": 1500,
    }
