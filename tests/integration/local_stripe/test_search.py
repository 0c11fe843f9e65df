"""`…/search`: Stripe's query language, its pages, and what it refuses."""

from typing import Any

import pytest
import stripe
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeRefusal


@pytest.fixture
def people(local: LocalStripe, clock: Clock) -> list[str]:
    """Four customers, a day apart."""
    given: list[dict[str, object]] = [
        {"name": "Jane Doe", "email": "jane@rocketrides.io", "metadata": {"plan": "a"}},
        {"name": "Jane Doe-Roe", "email": "roe@example.com", "phone": "+44 1"},
        {"name": 'Ann "A" Lee', "email": "ann@example.com", "metadata": {"plan": "b"}},
        {"name": "Bob Jane Doe Senior", "metadata": {"plan": "pro plus"}},
    ]
    ids = []
    for each in given:
        ids.append(str(local.call("POST", "/v1/customers", each)["id"]))
        clock.move(days=1)
    return ids


def found(local: LocalStripe, query: str, resource: str = "customers") -> list[str]:
    """Give the ids that a search finds."""
    answer: Any = local.call("GET", f"/v1/{resource}/search", {"query": query})
    return [each["id"] for each in answer["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name:'jane doe'", [3, 0]),
        ('email:"ann@example.com"', [2]),
        ("email~'EXAMPLE'", [2, 1]),
        (r'name:"ann \"a\""', [2]),
        ("metadata['plan']:'PRO plus'", [3]),
        ("metadata['plan']:'pro'", []),
        ("-metadata['plan']:null", [3, 2, 0]),
        ("phone:null AND name:'jane'", [3, 0]),
        ("name:'jane' -email:'jane@rocketrides.io'", [3, 1]),
        ("metadata['plan']:'a' or metadata['plan']:'b'", [2, 0]),
        ("created>1773144000 created<=1773316800", [2, 1]),
        ("created:'1773144000'", [0]),
    ],
)
def test_a_query_finds_newest_first(
    local: LocalStripe, people: list[str], query: str, expected: list[int]
) -> None:
    """Words in their order, substrings, tokens, numbers, presence; any case."""
    assert found(local, query) == [people[each] for each in expected]


_HELP = (
    'We were unable to parse your search query. Try using the format `metadata["key"]'
    ':"value"` to query for metadata or key:"value" to query for other fields.'
)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("jane", _HELP),
        ("name:jane", _HELP),
        ("name:'jane", _HELP),
        ("name:'a' AND", _HELP),
        ("name:'a'email:'b'", _HELP),
        ("(name:'a')", _HELP),
        ("foo:'bar'", "Field `foo` is an unsupported search field for resource"),
        ("metadata:'bar'", "Field `metadata` is an unsupported search field"),
        ("name>'a'", "Field `name` does not support the operator `>`"),
        ("metadata['plan']~'pro'", "Field `metadata` does not support the operator"),
        ("created>'soon'", "Field `created` must be compared with a number"),
        ("name~'ab'", "at least 3 characters"),
        ("name:'a' AND name:'b' OR name:'c'", "AND and OR cannot be combined"),
        (" ".join(["name:'a'"] * 11), "at most 10 clauses"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    local: LocalStripe, query: str, message: str
) -> None:
    """A 400 that tells why; nothing is ever searched by half a query."""
    with pytest.raises(LocalStripeRefusal) as refused:
        found(local, query)

    assert message in refused.value.message
    assert (refused.value.status, refused.value.param) == (400, "query")


def test_prices_products_and_subscriptions_are_searched_by_their_fields(
    local: LocalStripe, seller: Seller
) -> None:
    """Flags are tokens; canceled subscriptions are found, with when they ended."""
    product, customer = seller.product("Gold Plan"), seller.customer()
    price = seller.licensed_price(product, lookup_key="gold_monthly")
    one_time = seller.licensed_price(product, recurring=None)
    running = seller.subscription(customer, price)
    ended = seller.subscription(customer, price, metadata={"order": "6735"})
    local.call("DELETE", f"/v1/subscriptions/{ended}", {})

    invoices: Any = local.call("GET", "/v1/invoices", {"subscription": running})
    [invoice] = invoices["data"]
    of_running = f"subscription:'{running}' total>=1000"

    assert found(local, of_running, "invoices") == [invoice["id"]]
    assert found(local, "total>1000", "invoices") == []
    assert found(local, "active:'true' AND name~'gold'", "products") == [product]
    assert found(local, "lookup_key:'gold_monthly'", "prices") == [price]
    assert found(local, f"product:'{product}' type:'one_time'", "prices") == [one_time]
    assert found(local, "status:'active'", "subscriptions") == [running]
    canceled = "canceled_at>0 AND metadata['order']:'6735'"
    assert found(local, canceled, "subscriptions") == [ended]


async def test_the_sdk_pages_through_what_is_found(
    client: stripe.StripeClient, people: list[str]
) -> None:
    """By page tokens, each once; the count only when it is asked for."""
    query = "name:'jane' OR name:'ann'"
    page = await client.v1.customers.search_async(
        {"query": query, "limit": 3, "expand": ["total_count"]}
    )
    # The page before ended with it; the next one still begins there.
    await client.v1.customers.delete_async(people[1])
    everybody = [each.id async for each in page.auto_paging_iter()]

    assert everybody == people[::-1]
    assert list(page.to_dict()) == [
        *("object", "data", "has_more", "next_page", "total_count", "url")
    ]
    assert (page.to_dict()["total_count"], page.has_more) == (4, True)
    for bad in ("!", "Y3VzX25vYm9keQ"):
        with pytest.raises(stripe.InvalidRequestError, match="is an invalid page"):
            await client.v1.customers.search_async({"query": query, "page": bad})
