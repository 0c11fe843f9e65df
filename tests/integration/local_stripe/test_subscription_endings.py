"""Subscriptions end: at once, at a time, with a period."""

from datetime import UTC, datetime

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


def _unix(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year, month, …


async def test_a_subscription_is_cancelled_once(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """It is canceled at once; a second time Stripe does not find it."""
    subscription_id = seller.subscription(seller.customer(), prices[0])

    canceled = await client.v1.subscriptions.cancel_async(
        subscription_id,
        {"cancellation_details": {"comment": "bye", "feedback": "other"}},
    )
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await client.v1.subscriptions.cancel_async(subscription_id)
    with pytest.raises(stripe.InvalidRequestError) as ended:
        await client.v1.subscriptions.update_async(
            subscription_id, {"cancel_at_period_end": True}
        )
    clock.move(days=45)
    relabelled = await client.v1.subscriptions.update_async(
        subscription_id, {"metadata": {"a": "1"}}
    )
    [item] = relabelled["items"].data

    ended_at = _unix(2026, 3, 10, 12)
    assert (canceled.status, canceled.ended_at) == ("canceled", ended_at)
    # Its period is the one it ended in, however late it is asked for.
    assert item.current_period_end == _unix(2026, 4, 10, 12)
    assert canceled.cancellation_details is not None
    assert (
        canceled.cancellation_details.comment,
        canceled.cancellation_details.feedback,
        canceled.cancellation_details.reason,
    ) == ("bye", "other", "cancellation_requested")
    assert missing.value.http_status == 404
    assert ended.value.user_message == (
        "A canceled subscription can only update its cancellation_details and metadata."
    )
    assert relabelled.metadata.to_dict() == {"a": "1"}


async def test_a_planned_cancellation_happens_at_its_time(
    client: stripe.StripeClient,
    seller: Seller,
    prices: tuple[str, str],
    clock: Clock,
) -> None:
    """At the period's end, or at cancel_at; the deleted event tells when."""
    at_end = seller.subscription(
        seller.customer(), prices[0], cancel_at_period_end=True
    )
    at_time = seller.subscription(
        seller.customer(), prices[0], cancel_at=_unix(2026, 3, 20)
    )
    clock.move(days=40)

    first = await client.v1.subscriptions.retrieve_async(at_end)
    second = await client.v1.subscriptions.retrieve_async(at_time)
    events = await client.v1.events.list_async(
        {"types": ["customer.subscription.deleted"]}
    )

    assert ("canceled", _unix(2026, 4, 10, 12)) == (first.status, first.ended_at)
    assert ("canceled", _unix(2026, 3, 20)) == (second.status, second.ended_at)
    assert [_unix(2026, 4, 10, 12), _unix(2026, 3, 20)] == [
        event.created for event in events.data
    ]


def test_cancel_at_can_name_a_periods_end(local: LocalStripe, seller: Seller) -> None:
    """The first or the last of the items'; what is not supported is said."""
    product = seller.product()
    month = seller.licensed_price(product)
    year = seller.licensed_price(product, recurring={"interval": "year"})

    def cancelled_at(word: str) -> object:
        subscription_id = seller.subscription(
            seller.customer(), month, year, cancel_at=word
        )
        return local.call("GET", f"/v1/subscriptions/{subscription_id}", {})[
            "cancel_at"
        ]

    assert _unix(2026, 4, 10, 12) == cancelled_at("min_period_end")
    assert _unix(2027, 3, 10, 12) == cancelled_at("max_period_end")
    with pytest.raises(LocalStripeRefusal, match="does not support"):
        cancelled_at("max_billed_until")
