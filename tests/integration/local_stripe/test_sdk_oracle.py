"""The official Python SDK's typed definitions judge the local Stripe.

Every answer has the type that the SDK's method promises, and every parameter the SDK
can send is accepted with its type or refused by its name. New operations are found by
themselves; they fail here until the tour of `tests/support/sdk_tour.py` calls them.
"""

from collections.abc import Iterable

import pytest
from tests.support.sdk_guide import Guide, never_looked_at, not_toured
from tests.support.sdk_judge import (
    UNTYPED,
    method_of,
    name_of,
    reason_key,
    unexplained,
)
from tests.support.sdk_params import unlike
from tests.support.sdk_tour import whole_tour
from tests.support.sdk_types import class_named, differences
from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.local_stripe.catalogue import OPERATIONS

_IN_NEXT_PAGE_URL = "it is in the answers' next_page_url"
# Where a schema and the SDK's parameters differ on purpose.
_PARAMETERS = {
    "POST /v1/subscriptions customer: is demanded, but optional in"
    " SubscriptionCreateParams": "its alternative, customer_account, is not supported",
    "POST /v1/subscriptions items: is demanded, but optional in"
    " SubscriptionCreateParams": "Stripe, too, refuses a subscription without items",
    "GET /v2/core/events page: is not typed by EventListParams": _IN_NEXT_PAGE_URL,
    "GET /v2/core/event_destinations page: is not typed by"
    " EventDestinationListParams": _IN_NEXT_PAGE_URL,
    **dict.fromkeys(
        (
            "POST /v1/webhook_endpoints api_version: a text of no meaning is accepted",
            "POST /v1/webhook_endpoints enabled_events[0]: a text of no meaning is"
            " accepted",
            "POST /v1/webhook_endpoints/{} enabled_events[0]: a text of no meaning is"
            " accepted",
        ),
        "the local Stripe has no list of Stripe's versions and of its 250 events",
    ),
}
_PRORATING = ("payment_behavior", "proration_behavior", "proration_date")
_UNPAID = "nothing is paid here, and nothing prorated"
_METERED = "without effect on prices with a meter, says the SDK"
# Parameters that are accepted and change nothing.
_NO_EFFECT = {
    **{
        f"{operation} {parameter}": _UNPAID
        for operation, parameters in {
            "POST /v1/subscription_items": _PRORATING,
            "POST /v1/subscription_items/{}": (*_PRORATING, "off_session"),
            "DELETE /v1/subscription_items/{}": _PRORATING,
            "POST /v1/subscriptions": (
                "off_session",
                "payment_behavior",
                "proration_behavior",
            ),
            "POST /v1/subscriptions/{}": (*_PRORATING, "off_session"),
            "DELETE /v1/subscriptions/{}": ("prorate",),
        }.items()
        for parameter in parameters
    },
    "DELETE /v1/subscription_items/{} clear_usage": _METERED,
    "POST /v1/invoices/create_preview preview_mode": (
        "there are no one-off items, which `recurring` would leave out"
    ),
    "POST /v1/invoices/create_preview subscription_details.items[].clear_usage": (
        _METERED
    ),
    "POST /v1/invoices/create_preview subscription_details.proration_behavior": (
        _UNPAID
    ),
    "POST /v1/subscriptions/{} items[].clear_usage": _METERED,
    **dict.fromkeys(
        (
            "POST /v1/invoices/{}/pay off_session",
            "POST /v1/invoices/{}/pay paid_out_of_band",
        ),
        _UNPAID,
    ),
}


@pytest.fixture(scope="module")
def guide() -> Guide:
    """Every operation called once, in an account of its own."""
    clock = Clock.at_noon()
    guide = Guide(LocalStripe(now=clock, seed=7), clock)
    whole_tour(guide)
    guide.not_expanded = guide.expand_everything()
    return guide


def _unexplained(found: Iterable[str], explained: Iterable[str]) -> set[str]:
    """Give what differs without a reason, and the reasons nothing needs any more."""
    return set(found) ^ set(explained)


def test_every_operation_is_called_and_is_one_of_the_sdks(guide: Guide) -> None:
    """A new operation needs a step in the tour and a method that requests it."""
    assert list(not_toured(guide)) == []
    assert [name_of(each) for each in OPERATIONS if method_of(each) is None] == []


def test_every_answer_has_the_sdks_type(guide: Guide) -> None:
    """Keys, types, nulls, enums, decimals, down into lists, events and expansions."""
    assert unexplained(guide.unlike) == []
    assert set(UNTYPED) == {reason_key(each) for each in guide.unlike}


def test_every_id_that_the_sdk_types_as_expandable_can_be_expanded(
    guide: Guide,
) -> None:
    """Also in lists, and in groups of an object."""
    assert guide.not_expanded == []
    assert "usage_threshold.meter" in guide.expandable["GET /v1/billing/alerts/{}"]


def test_every_parameter_is_the_sdks(guide: Guide) -> None:
    """Accepted with the SDK's types and refused with others, or refused by name."""
    found = (
        f"{name_of(operation)} {each}"
        for operation in OPERATIONS
        if (method := method_of(operation)) is not None
        for each in unlike(operation.schema, method.params_type())
    )

    assert _unexplained(found, _PARAMETERS) == set()


def test_no_parameter_is_ignored(guide: Guide) -> None:
    """Whatever is accepted is looked at, but for what has no effect here."""
    assert _unexplained(never_looked_at(guide), _NO_EFFECT) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": "asleep"}, "status: 'asleep' is none of active, inactive"),
        ({"created": "1"}, "created: '1' is no int"),
        ({"livemode": None}, "livemode: None is no bool"),
        ({"colour": "red"}, "colour: is not typed by Meter"),
        ({"value_settings": {}}, "event_payload_key: is missing from ValueSettings"),
        ({"object": "billing.alert"}, "is none of billing.meter"),
    ],
)
def test_the_judge_sees_what_is_wrong(
    guide: Guide, change: dict[str, object], expected: str
) -> None:
    """Each kind of difference, put into a good answer, is told."""
    meter = guide("GET", f"/v1/billing/meters/{guide.made['meter']}")
    type_ = class_named("billing.meter")
    assert differences(meter, type_) == []

    [told] = differences({**meter, **change}, type_)

    assert expected in told
