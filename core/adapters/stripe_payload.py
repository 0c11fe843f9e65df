"""What an event's payload holds, under the keys its meter reads."""

from __future__ import annotations

from collections.abc import Callable

from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.subscriptions import MeterInfo

Meters = Callable[[str], MeterInfo | None]
"""What is known of the meter of an event name; None where nothing is."""

_CUSTOMER_KEY, _VALUE_KEY = "stripe_customer_id", "value"


def payload_of(event: MeterEvent, meter: MeterInfo | None) -> dict[str, str]:
    """Return the payload: Stripe's own keys where the meter is not known."""
    return {
        **dict(event.dimensions),
        meter.customer_key if meter else _CUSTOMER_KEY: event.customer,
        meter.value_key if meter else _VALUE_KEY: event.value,
    }
