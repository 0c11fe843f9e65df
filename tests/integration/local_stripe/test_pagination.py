"""Pages: newest first, ten unless asked, both directions, refused cursors."""

import pytest
import stripe
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


async def test_pages_hold_ten_and_walk_to_the_end(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """The SDK's own paging meets every customer once, newest first."""
    made = [seller.customer(f"c{number}") for number in range(25)]

    page = await client.v1.customers.list_async()
    walked = [customer.id async for customer in page.auto_paging_iter()]

    assert (len(page.data), page.has_more) == (10, True)
    assert page.url == "/v1/customers"
    assert made[::-1] == walked


async def test_ending_before_gives_the_page_before(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """The nearest newer objects, still newest first."""
    made = [seller.customer(f"c{number}") for number in range(6)]

    page = await client.v1.customers.list_async({"ending_before": made[0], "limit": 3})
    first = await client.v1.customers.list_async({"ending_before": made[3], "limit": 3})

    assert [made[3], made[2], made[1]] == [each.id for each in page.data]
    assert page.has_more is True
    assert [made[5], made[4]] == [each.id for each in first.data]
    assert first.has_more is False


async def test_a_page_that_fits_exactly_is_the_last(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """has_more is false when nothing follows."""
    made = [seller.customer(f"c{number}") for number in range(3)]

    page = await client.v1.customers.list_async({"limit": 3})
    after = await client.v1.customers.list_async({"starting_after": made[0]})

    assert (len(page.data), page.has_more) == (3, False)
    assert (after.data, after.has_more) == ([], False)


async def test_a_deleted_cursor_still_marks_its_place(
    client: stripe.StripeClient, seller: Seller
) -> None:
    """Deleting the customer a page ended with does not break the walk."""
    made = [seller.customer(f"c{number}") for number in range(4)]
    await client.v1.customers.delete_async(made[2])

    page = await client.v1.customers.list_async({"starting_after": made[2]})

    assert [made[1], made[0]] == [each.id for each in page.data]


_REFUSED: list[tuple[dict[str, object], str]] = [
    ({"limit": 0}, "This value must be greater than or equal to 1."),
    ({"limit": 101}, "This value must be less than or equal to 100."),
    ({"limit": "ten"}, "Invalid integer: ten"),
    ({"starting_after": "cus_x"}, "No such customer: 'cus_x'"),
    ({"ending_before": "cus_x"}, "No such customer: 'cus_x'"),
    (
        {"starting_after": "a", "ending_before": "b"},
        "You may only specify one of these parameters: starting_after, ending_before.",
    ),
    ({"page": 2}, "Received unknown parameter: page"),
    ({"page": 2, "sort": "up"}, "Received unknown parameters: page, sort"),
    ({"expand": ["data.owner"]}, "This property cannot be expanded (data.owner)."),
]


@pytest.mark.parametrize(("params", "text"), _REFUSED)
def test_a_refused_page_says_why(
    local: LocalStripe, seller: Seller, params: dict[str, object], text: str
) -> None:
    """Limits, cursors and names are checked before anything is listed."""
    seller.customer()

    with pytest.raises(LocalStripeRefusal) as refused:
        local.call("GET", "/v1/customers", params)

    assert text == refused.value.message
    assert refused.value.status == 400


def test_properties_that_cannot_be_expanded_are_refused(
    local: LocalStripe, seller: Seller
) -> None:
    """A plain text and five levels are not expandable; null and groups are."""
    customer = seller.customer()

    def retrieve(*paths: str) -> dict[str, object]:
        return local.call("GET", f"/v1/customers/{customer}", {"expand": list(paths)})

    for path in ("name", "invoice_settings.colour", "a.b.c.d.e"):
        with pytest.raises(LocalStripeRefusal, match="expand"):
            retrieve(path)
    expanded = retrieve("subscriptions", "default_source")
    assert {"object", "data", "has_more", "total_count", "url"} == dict(
        expanded["subscriptions"]  # type: ignore[call-overload]  # JSON
    ).keys()
