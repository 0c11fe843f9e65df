"""Why a meter event is not counted, in the words of each way it can arrive.

v1 answers a 400 with a text and no code, v2 a 400 with a code, and the v2 stream
accepts everything and reports later. Sources and guesses: docs/local-stripe-sources.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.local_stripe.refusals import LocalStripeRefusal


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason; `late_code` is empty where nothing is reported later."""

    text: str
    v2_code: str
    v2_text: str
    late_code: str
    late_text: str = ""
    param: str = ""
    code: str = ""
    ran: bool = False

    def v1(self) -> LocalStripeRefusal:
        """Give the v1 answer."""
        return LocalStripeRefusal(
            self.text, code=self.code, param=self.param, ran=self.ran
        )

    def v2(self) -> LocalStripeRefusal:
        """Give the answer of `/v2/billing/meter_events`."""
        return LocalStripeRefusal(self.v2_text, code=self.v2_code, kind="", ran=True)

    @property
    def reported_text(self) -> str:
        """Give the text of the late error report."""
        return self.late_text or self.text


def no_meter(event_name: str) -> Problem:
    """No meter has this event name."""
    return Problem(
        text=f'No active meter found for event name "{event_name}".',
        v2_code="no_meter",
        v2_text="A meter must exist to submit events.",
        late_code="no_meter",
        late_text=f"No meter was found matching event_name {event_name}.",
    )


def archived_meter(event_name: str) -> Problem:
    """The meter was deactivated."""
    return Problem(
        text=f'No active meter found for event name "{event_name}".',
        v2_code="archived_meter",
        v2_text="The meter must be Active to submit events.",
        late_code="archived_meter",
        late_text="The meter must be Active to submit events.",
    )


def too_old(oldest: int) -> Problem:
    """The timestamp is more than 35 days past."""
    text = (
        "The event timestamp cannot be more than 35 days in past. Expected a timestamp"
        f" greater than or equal to {oldest}."
    )
    code = "timestamp_too_far_in_past"
    return Problem(text, code, text, code, param="timestamp")


def too_new(newest: int) -> Problem:
    """The timestamp is more than 5 minutes ahead."""
    text = (
        "The event timestamp cannot be more than 5 minutes in future. Expected a"
        f" timestamp less than or equal to {newest}."
    )
    code = "timestamp_in_future"
    return Problem(text, code, text, code, param="timestamp")


def no_customer(key: str) -> Problem:
    """The payload names no customer."""
    return Problem(
        text=f"Customer mapping key {key} not found in payload.",
        v2_code="payload_no_customer_defined",
        v2_text="The payload must have a reference to the customer.",
        late_code="meter_event_no_customer_defined",
        param="payload",
    )


def no_value(key: str) -> Problem:
    """The payload holds no value."""
    return Problem(
        text=f"Value key {key} not found in payload.",
        v2_code="payload_no_value_defined",
        v2_text="The payload must have a value.",
        late_code="meter_event_invalid_value",
        param="payload",
    )


def invalid_value(value: str) -> Problem:
    """The value is not a plain decimal number."""
    return Problem(
        text=f"The value in the event payload must be a number. Received {value}.",
        v2_code="payload_invalid_value",
        v2_text="The value must be a positive integer.",
        late_code="meter_event_invalid_value",
        param="payload",
    )


def too_many_digits(value: str, most: int) -> Problem:
    """The value has more significant digits than Stripe keeps."""
    text = (
        f"The value in the event payload can have at most {most} digits."
        f" Received {value}."
    )
    return Problem(
        text,
        "payload_invalid_value",
        text,
        "meter_event_value_too_many_digits",
        param="payload",
    )


def duplicate(identifier: str) -> Problem:
    """The identifier was used within the last 24 hours."""
    return Problem(
        text=f"An event already exists with identifier {identifier}.",
        v2_code="duplicate_meter_event",
        v2_text="A meter event with a duplicate identifier has already been submitted.",
        late_code="",
        ran=True,
    )


def unknown_customer(customer_id: str, key: str) -> Problem:
    """Refuse a customer that does not exist; only a strict panel does so at once."""
    return Problem(
        text=f"No such customer: '{customer_id}'",
        v2_code="meter_event_customer_not_found",
        v2_text=f"Customer {customer_id} not found.",
        late_code="meter_event_customer_not_found",
        param=f"payload[{key}]",
        code="resource_missing",
        ran=True,
    )


_LATE_TEXTS = {
    "archived_meter": "The meter must be Active to submit events.",
    "meter_event_dimension_count_too_high": "The meter has too many dimensions.",
    "meter_event_invalid_value": "The value must be a positive integer.",
    "meter_event_no_customer_defined": "The payload names no customer.",
    "meter_event_value_too_many_digits": "The value has too many digits.",
    "missing_dimension_payload_keys": "A dimension's key is missing in the payload.",
    "timestamp_in_future": "The event timestamp is too far in the future.",
    "timestamp_too_far_in_past": "The event timestamp is too far in the past.",
}


def late_text(code: str, event_name: str, customer_id: str) -> str:
    """Return what a late error report says of an event that was dropped."""
    if code == "meter_event_customer_not_found":
        return f"Customer {customer_id} not found."
    if code == "no_meter":
        return no_meter(event_name).reported_text
    return _LATE_TEXTS.get(code, code)
