"""Stripe's notifications: is what would push them to the worker there, and right?"""

from __future__ import annotations

from meterdeck.core.model.destinations import judge_destinations
from meterdeck.core.model.diagnosis import Verdict, fault, ok, waiting, warning
from meterdeck.core.services.doctor.check import Asks, Check, Patient

_SETTING = "delivery.webhook_secret"
_PREFIX = "whsec_"


async def _look(patient: Patient) -> Verdict:
    options = patient.context.delivery
    if not options.webhook_port:
        return ok("none is taken: late reports are asked for")
    copy = f"copy the endpoint's signing secret ({_PREFIX}…) into {_SETTING}"
    if options.webhook_secret is None:
        return fault(f"{_SETTING} is missing, so no worker listens", copy)
    if not options.webhook_secret.reveal().startswith(_PREFIX):
        return warning(f"{_SETTING} is no signing secret of Stripe's", copy)
    if silence := patient.silent.get(Asks.STRIPE):
        return waiting(f"not looked at: {silence.why}", silence.check)
    found = await patient.stripe.destinations()
    return judge_destinations(found, patient.context.mode)


WEBHOOK = Check(
    "webhook",
    "Webhook",
    "where `webhook_port` is set: the signing secret, and the endpoint in Stripe that"
    " pushes to it: status, address, thin events or copies of an API version, types",
    "What is not pushed is found when Stripe is asked next; an endpoint that gets no"
    " good answer is disabled by Stripe.",
    _look,
    asks=frozenset(),
    of_billing=True,
)
