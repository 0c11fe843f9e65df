"""A local Stripe for the sandbox and the tests: the endpoints meterdeck uses."""

from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.server import LocalStripeServer
from meterdeck.core.local_stripe.stripe import LocalStripe

__all__ = [
    "LocalStripe",
    "LocalStripeRefusal",
    "LocalStripeServer",
    "ReceivedMeterEvent",
]
