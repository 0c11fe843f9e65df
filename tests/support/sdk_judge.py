"""Whether an answer of the local Stripe is what the SDK's method promises."""

from tests.support.sdk_operations import SdkMethod, sdk_methods
from tests.support.sdk_types import differences

from meterdeck.core.local_stripe.operations import Operation
from meterdeck.core.local_stripe.summaries import PLACEHOLDER

# Operations that no method of the SDK names, and the one whose answer each gives.
SAME_ANSWER_AS = {
    # What paging by an answer's own url asks for.
    ("GET", PLACEHOLDER): ("GET", "/v1/billing/meters/{}/event_summaries"),
}


def method_of(operation: Operation) -> SdkMethod | None:
    """Give the SDK's method that makes this request, None when it has none."""
    key = operation.method, operation.path
    return sdk_methods().get(SAME_ANSWER_AS.get(key, key))


def name_of(operation: Operation) -> str:
    """Give the method and the path."""
    return f"{operation.method} {operation.path}"


_LIST_COUNT = "recorded in lists that are part of an object"
# What Stripe answers and the SDK does not type.
UNTYPED = {
    "plan: is not typed by Subscription": "recorded, 2026-03-25.dahlia",
    "quantity: is not typed by Subscription": "recorded, 2026-03-25.dahlia",
    "total_count: is not typed by ListObject": _LIST_COUNT,
    "next_page: None is no str": "nullable by Stripe's OpenAPI file",
    "total_count: is not typed by SearchResultObject": (
        "in the docs of search, when it is expanded"
    ),
    "url: is not typed by SearchResultObject": "recorded; the SDK itself pages by it",
    "previous_page_url: is not typed by ListObject": "in the docs of v2's lists",
    "related_object: is not typed by V1BillingMeterNoMeterFoundEvent": (
        "the docs' example prints {}"
    ),
}


def unlike_the_sdk(operation: Operation, answer: dict[str, object]) -> list[str]:
    """Say what of an answer the SDK's method does not promise; empty when all fits."""
    sdk = method_of(operation)
    if sdk is None:
        return []
    type_ = sdk.answer_type()
    wrong = [] if type_ is None else differences(answer, type_)
    if type_ is None and answer:
        wrong = [f"$: {answer} is not nothing"]
    return [f"{name_of(operation)} {each}" for each in wrong]


def unexplained(unlike: list[str]) -> list[str]:
    """Leave out what Stripe is known to answer though the SDK does not type it."""
    return [each for each in unlike if reason_key(each) not in UNTYPED]


def reason_key(difference: str) -> str:
    """Give the part of a difference by which its reason is listed."""
    return difference.rpartition(".")[2]
