"""The wire: keys, headers, envelopes, forms, what only plain HTTP can show."""

import base64
import json
from typing import Any, cast

import aiohttp
import pytest
import stripe
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.local_stripe.wire import body_of

_FORM = {"content-type": "application/x-www-form-urlencoded"}


async def _error(response: aiohttp.ClientResponse) -> dict[str, Any]:
    error: dict[str, Any] = (await response.json())["error"]
    return error


async def test_a_wrong_key_is_shown_by_its_last_four(
    server: LocalStripeServer,
) -> None:
    """The SDK raises AuthenticationError; the rest of the key is stars."""
    transport = stripe.AIOHTTPClient()
    client = stripe.StripeClient(
        "sk_test_abcdefghijkl3456",
        base_addresses={"api": server.base_url},
        http_client=transport,
    )

    with pytest.raises(stripe.AuthenticationError) as refused:
        await client.v1.customers.list_async()
    await transport.close_async()  # type: ignore[no-untyped-call]  # the SDK's

    assert (
        refused.value.user_message
    ) == "Invalid API Key provided: sk_test_************3456"
    assert refused.value.request_id is None
    headers = refused.value.headers or {}
    assert headers["www-authenticate"] == 'Bearer realm="Stripe"'
    assert "stripe-version" not in headers


async def test_no_key_is_explained(server: LocalStripeServer) -> None:
    """Without an Authorization header, or with one that is no key: 401."""
    async with aiohttp.ClientSession(server.base_url) as http:
        for headers in (
            {},
            {"Authorization": "Basic !"},
            {"Authorization": "Digest x"},
        ):
            async with http.get("/v1/customers", headers=headers) as response:
                error = await _error(response)

                assert response.status == 401
                assert error["message"].startswith("You did not provide an API key.")
                assert {"message", "type"} == error.keys()


async def test_the_key_may_come_as_basic_user(server: LocalStripeServer) -> None:
    """curl's -u sk_test_…: works."""
    token = base64.b64encode(b"sk_test_sandbox:").decode()

    async with (
        aiohttp.ClientSession(server.base_url) as http,
        http.get(
            "/v1/account", headers={"Authorization": f"Basic {token}"}
        ) as response,
    ):
        assert response.status == 200
        assert (await response.json())["id"].startswith("acct_")


async def test_a_restricted_key_is_for_v1_alone(server: LocalStripeServer) -> None:
    """`rk_test_…` with the secret key's ending works, and is refused by v2."""
    headers = {"Authorization": "Bearer rk_test_sandbox"}
    async with aiohttp.ClientSession(server.base_url, headers=headers) as http:
        async with http.get("/v1/account") as of_v1:
            assert of_v1.status == 200
        async with http.get("/v2/core/events") as of_v2:
            error = await _error(of_v2)

    assert of_v2.status == 403
    assert "restricted" in error["message"]
    assert "code" not in error


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ({"stripe_version": "2019-2-19"}, 400, "Invalid Stripe API version: 2019-2-19"),
        ({"stripe_version": "2026-13-40.zinnia"}, 400, "Invalid Stripe API version:"),
        ({"stripe_account": "acct_other"}, 403, "Only Stripe Connect platforms"),
        ({"stripe_context": "acct_other"}, 403, "Only Stripe Connect platforms"),
    ],
)
async def test_another_account_or_version_is_refused(
    client: stripe.StripeClient,
    options: stripe.RequestOptions,
    status: int,
    text: str,
) -> None:
    """What the SDK's options can ask for and there is not, is not ignored."""
    with pytest.raises(stripe.StripeError, match=text) as refused:
        await client.v1.customers.list_async({}, options)

    assert refused.value.http_status == status
    own = (await client.v1.accounts.retrieve_current_async()).id
    for good in (
        {"stripe_account": own},
        {"stripe_version": "2024-06-20; x_beta=v1"},
        {"stripe_version": "2031-02-26.zinnia"},
    ):
        await client.v1.customers.list_async({}, cast(stripe.RequestOptions, good))


async def test_an_unknown_url_is_told_apart_from_an_unknown_id(
    http: aiohttp.ClientSession,
) -> None:
    """Both are 404; only the id's has a code and a parameter."""
    async with http.get("/v1/unicorns") as response:
        url_error = await _error(response)
        assert response.status == 404
    async with http.get("/v1/customers/") as response:
        slash_error = await _error(response)
    async with http.get("/v1/customers/cus_x") as response:
        id_error = await _error(response)
        assert response.status == 404
        assert "stripe-should-retry" not in response.headers

    help_ = "Please see https://stripe.com/docs or we can help at"
    assert url_error["message"].startswith(
        f"Unrecognized request URL (GET: /v1/unicorns). {help_}"
    )
    assert slash_error["message"].startswith(
        "Unrecognized request URL (GET: /v1/customers/). If you are trying to list"
    )
    assert "code" not in url_error
    assert list(id_error) == [
        "code",
        "doc_url",
        "message",
        "param",
        "request_log_url",
        "type",
    ]
    assert (
        id_error["code"],
        id_error["param"],
        id_error["type"],
    ) == ("resource_missing", "id", "invalid_request_error")
    assert id_error["doc_url"] == "https://stripe.com/docs/error-codes/resource-missing"


async def test_headers_are_stripes(http: aiohttp.ClientSession) -> None:
    """A POST echoes key and version and says whether to retry; a GET does not."""
    headers = {"Idempotency-Key": "k1", "Stripe-Version": "2026-03-25.dahlia"}
    async with http.post("/v1/customers", data={"name": "A"}, headers=headers) as made:
        customer = await made.json()
    async with http.get(f"/v1/customers/{customer['id']}") as got:
        text = await got.text()

    assert len("req_QFxbmW71h8aeWY") == len(made.headers["request-id"])
    assert made.headers["request-id"] == made.headers["original-request"]
    assert (
        made.headers["idempotency-key"],
        made.headers["stripe-should-retry"],
        made.headers["stripe-version"],
    ) == ("k1", "false", "2026-03-25.dahlia")
    assert got.headers["stripe-version"] == "2026-10-28.endive"
    assert not {"idempotency-key", "original-request", "stripe-should-retry"} & {
        name.lower() for name in got.headers
    }
    assert got.headers["cache-control"] == "no-cache, no-store"
    assert got.headers["content-type"] == "application/json"
    assert json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n" == text


def test_bodies_are_printed_as_stripe_prints_them() -> None:
    """Two spaces a level, every value on a line of its own, a newline at the end."""
    body = {
        "a": [{}, [], [1, 'ü\n\u2028"', 1.5, None, True, False], -3],
        "b": {"c": 610000.0},
    }

    expected = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    assert expected.encode() == body_of(body)


async def test_only_what_ran_says_not_to_retry(
    http: aiohttp.ClientSession, seller: Seller
) -> None:
    """A failed validation has no Stripe-Should-Retry, a duplicate event has; which
    request was the first is only told of one with a key."""
    seller.meter()
    customer = seller.customer()
    seller.event(customer, "1", identifier="dup")
    event = {
        "event_name": "api_requests",
        "identifier": "dup",
        "payload[stripe_customer_id]": customer,
        "payload[value]": "1",
    }

    async with http.post("/v1/billing/meter_events", data=event) as duplicate:
        assert (duplicate.status, duplicate.headers["stripe-should-retry"]) == (
            400,
            "false",
        )
        assert "original-request" not in duplicate.headers
    key = {"Idempotency-Key": "k"}
    colour = {"colour": "red"}
    async with http.post("/v1/products", data=colour, headers=key) as invalid:
        assert invalid.status == 400
        assert "stripe-should-retry" not in invalid.headers
        assert invalid.headers["original-request"] == invalid.headers["request-id"]


async def test_forms_may_leave_out_the_index(
    http: aiohttp.ClientSession, seller: Seller
) -> None:
    """`items[][price]`, `expand[]` and `items[0][price]` all work."""
    product = seller.product()
    first, second = seller.licensed_price(product), seller.licensed_price(product)
    body = (
        f"customer={seller.customer()}&items[][price]={first}&items[][quantity]=2"
        f"&items[][price]={second}&expand[]=customer"
    )

    async with http.post("/v1/subscriptions", data=body, headers=_FORM) as response:
        subscription = await response.json()

    assert response.status == 200, subscription
    assert subscription["customer"]["name"] == "Acme"
    assert [(first, 2), (second, 1)] == [
        (item["price"]["id"], item["quantity"])
        for item in subscription["items"]["data"]
    ]


@pytest.mark.parametrize(
    "body",
    [
        "name[first]=a",
        "metadata=a",
        "metadata[a][b]=c",
        "name=a&name[b]=c",
        "expand[0=a",
        "[a]=b",
        "&".join(f"metadata[k{number}]=v" for number in range(3000)),
        "%ff%fe=%00",
        f"expand[{'9' * 5000}]=a",
        "name" + "[a]" * 1500 + "=b",
        "{}",
    ],
)
async def test_malformed_forms_are_refused_as_requests(
    http: aiohttp.ClientSession, body: str
) -> None:
    """Whatever the body is, the answer is a 400 with Stripe's envelope."""
    async with http.post("/v1/customers", data=body, headers=_FORM) as response:
        error = await _error(response)

    assert (response.status, error["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "body", ["", "[]", "{", "null", "[" * 100_000, '{"payload": {"a": [1, {"b": 2}]}}']
)
async def test_malformed_json_is_refused_as_a_request(
    http: aiohttp.ClientSession, body: str
) -> None:
    """Whatever a v2 body is, the answer is a 400 with v2's envelope."""
    async with http.post("/v2/billing/meter_events", data=body.encode()) as response:
        error = await _error(response)

    assert response.status == 400
    assert "message" in error


async def test_the_account_is_a_test_account(
    client: stripe.StripeClient,
) -> None:
    """GET /v1/account works typed."""
    account = await client.v1.accounts.retrieve_current_async()

    assert account.id.startswith("acct_1")
    assert account.country == "US"


async def test_answers_cannot_change_the_account(
    local: LocalStripe, seller: Seller
) -> None:
    """What call() returned may be changed without touching what is stored."""
    customer_id = seller.customer("Kept")
    path = f"/v1/customers/{customer_id}"
    answer = local.call("POST", path, {"address": {"city": "Bern"}})
    address = answer["address"]
    assert isinstance(address, dict)

    address["city"] = "Oslo"
    answer["name"] = "Changed"

    again = local.call("GET", path, {})
    assert again["name"] == "Kept"
    assert again["address"]["city"] == "Bern"  # type: ignore[index]  # JSON
