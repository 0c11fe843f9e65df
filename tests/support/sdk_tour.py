"""A tour of every operation of the local Stripe, judged by the official SDK's types.

Each answer is compared with the type the SDK's method promises, and each parameter a
handler looks at is noted: one that it accepts and never looks at would be ignored.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.support.sdk_operations import SdkMethod, sdk_methods
from tests.support.sdk_types import differences
from tests.support.stripe_account import Clock

from meterdeck.core.local_stripe import LocalStripe, forms
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.operations import Call, Caller, Operation
from meterdeck.core.local_stripe.parameters import Parameters
from meterdeck.core.local_stripe.running import run
from meterdeck.core.local_stripe.schema import (
    Either,
    Kind,
    ListOf,
    Section,
    Text,
    Unsupported,
)
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


class _Noted(dict[str, object]):
    """Parameters' values; `seen` gets the path of each that is looked at."""

    def __init__(self, values: Mapping[str, object], path: str, seen: set[str]) -> None:
        super().__init__({k: _noted(v, f"{path}{k}", seen) for k, v in values.items()})
        self._path, self._seen = path, seen

    def get(self, key: str, default: object = None) -> Any:
        self._seen.add(self._path + key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._seen.add(f"{self._path}{key}")
        return super().__contains__(key)


def _noted(value: object, path: str, seen: set[str]) -> object:
    if isinstance(value, list):
        return [_noted(each, f"{path}[]", seen) for each in value]
    if not isinstance(value, Parameters):
        return value
    seen.add(f"{path}.")
    # The values are the parameters' own business; no reading of them would tell.
    return Parameters(_Noted(value._values, f"{path}.", seen), value.name)


@dataclass
class Guide:
    """Ask like `LocalStripe.call`, and write down what is unlike the SDK's types."""

    local: LocalStripe
    clock: Clock
    unlike: list[str] = field(default_factory=list)
    # What was looked at, by operation; `x.` says that the group `x` was sent.
    seen: dict[str, set[str]] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **params: object) -> dict[str, Any]:
        """Give the answer of a request that must go well."""
        found = OPERATIONS.find(method, path)
        assert found is not None, f"{method} {path} is not answered"
        operation, ids = found
        seen = self.seen.setdefault(name_of(operation), set())

        def noted(world: Any, call: Call) -> dict[str, object]:
            sent = Parameters(_Noted(call.parameters._values, "", seen))
            return operation.handler(world, replace(call, parameters=sent))

        raw = forms.from_python(params)
        assert isinstance(raw, dict)
        caller = Caller("req_tour", None, "tour")
        spied = replace(operation, handler=noted)
        answer = run(self.local._world, spied, ids, raw, caller)
        self._judge(operation, answer)
        return answer

    def _judge(self, operation: Operation, answer: dict[str, object]) -> None:
        sdk = method_of(operation)
        if sdk is None:
            return
        type_ = sdk.answer_type()
        wrong = [] if type_ is None else differences(answer, type_)
        if type_ is None and answer:
            wrong = [f"$: {answer} is not nothing"]
        self.unlike += [f"{name_of(operation)} {each}" for each in wrong]


# Passes every event of the tour, and has every bound.
_EVER = {"gt": 0, "gte": 0, "lt": 10**10, "lte": 10**10}


def whole_tour(guide: Guide) -> None:
    """Call every operation at least once, with every group of parameters."""
    for step in STEPS:
        step(guide)


def _account(ask: Guide) -> None:
    ask("GET", "/v1/account")


def _meters(ask: Guide) -> None:
    meter = ask(
        "POST",
        "/v1/billing/meters",
        display_name="API requests",
        event_name="api_requests",
        default_aggregation={"formula": "sum"},
        customer_mapping={"type": "by_id", "event_payload_key": "stripe_customer_id"},
        value_settings={"event_payload_key": "value"},
    )
    ask.made["meter"] = meter["id"]
    windowed = ask(
        "POST",
        "/v1/billing/meters",
        display_name="Seats",
        event_name="seats",
        default_aggregation={"formula": "last"},
        event_time_window="day",
    )
    path = f"/v1/billing/meters/{windowed['id']}"
    ask("POST", path, display_name="Seats of a day")
    ask("POST", f"{path}/deactivate")
    ask("GET", path)
    ask("POST", f"{path}/reactivate")
    ask("GET", "/v1/billing/meters", status="active")


def _products(ask: Guide) -> None:
    product = ask(
        "POST",
        "/v1/products",
        name="Platform",
        description="All of it",
        images=["https://example.com/a.png"],
        marketing_features=[{"name": "Fast"}],
        default_price_data={
            "currency": "usd",
            "unit_amount": 500,
            "recurring": {"interval": "month"},
            "metadata": {"a": "b"},
        },
    )
    ask.made["product"] = product["id"]
    ask("GET", f"/v1/products/{product['id']}", expand=["default_price"])
    features = [{"name": "Fast"}]
    ask(
        "POST",
        f"/v1/products/{product['id']}",
        unit_label="call",
        marketing_features=features,
    )
    gone = ask("POST", "/v1/products", name="Gone")
    ask("GET", "/v1/products", created=_EVER)
    ask("DELETE", f"/v1/products/{gone['id']}")


def _prices(ask: Guide) -> None:
    metered = {"interval": "month", "usage_type": "metered", "meter": ask.made["meter"]}
    of_product = {"product": ask.made["product"], "currency": "usd"}
    per_unit = ask(
        "POST",
        "/v1/prices",
        **of_product,
        recurring={**metered, "interval_count": 1},
        unit_amount_decimal="0.1",
        lookup_key="per_unit",
    )
    ask.made["metered"] = per_unit["id"]
    tiered = ask(
        "POST",
        "/v1/prices",
        **of_product,
        recurring=metered,
        billing_scheme="tiered",
        tiers_mode="graduated",
        tiers=[
            {"up_to": 1000, "unit_amount": 1, "flat_amount_decimal": "0.5"},
            {"up_to": "inf", "unit_amount_decimal": "0.1", "flat_amount": 100},
        ],
        expand=["tiers", "product"],
    )
    ask.made["tiered"] = tiered["id"]
    ask(
        "POST",
        "/v1/prices",
        currency="eur",
        unit_amount=900,
        transform_quantity={"divide_by": 100, "round": "up"},
        recurring={"interval": "year"},
        product_data={"name": "New", "id": "prod_new", "metadata": {"a": "b"}},
    )
    licensed = ask(
        "POST",
        "/v1/prices",
        **of_product,
        unit_amount=1000,
        recurring={"interval": "month"},
    )
    ask.made["licensed"] = licensed["id"]
    path = f"/v1/prices/{per_unit['id']}"
    ask("POST", path, nickname="tenth of a cent", lookup_key="per_unit")
    taken = {"lookup_key": "per_unit", "transfer_lookup_key": True}
    ask("POST", f"/v1/prices/{licensed['id']}", **taken)
    ask("POST", "/v1/prices", **of_product, unit_amount=1, **taken)
    ask("GET", path, expand=["product.default_price"])
    ask(
        "GET",
        "/v1/prices",
        recurring={"interval": "month"},
        created=_EVER,
        expand=["data.tiers", "data.currency_options"],
    )


def _customers(ask: Guide) -> None:
    address = {"city": "Bern", "country": "CH", "line1": "1", "postal_code": "3000"}
    customer = ask(
        "POST",
        "/v1/customers",
        name="Acme",
        email="a@example.com",
        address={**address, "line2": "2", "state": "BE"},
        shipping={"name": "Acme", "address": address, "phone": "1"},
        preferred_locales=["de"],
        metadata={"tenant": "acme"},
    )
    ask.made["customer"] = customer["id"]
    path = f"/v1/customers/{customer['id']}"
    shipping = {"name": "Acme", "address": address, "phone": "1"}
    ask("POST", path, address=address, shipping=shipping)
    gone = ask("POST", "/v1/customers")
    ask("DELETE", f"/v1/customers/{gone['id']}")
    ask("GET", f"/v1/customers/{gone['id']}")
    expanded = ["tax", "tax_ids", "sources", "invoice_credit_balance"]
    ask("GET", path, expand=expanded)
    ask("GET", "/v1/customers", email="a@example.com", created={"gte": 0})


def _subscriptions(ask: Guide) -> None:
    now = ask.clock.seconds
    subscription = ask(
        "POST",
        "/v1/subscriptions",
        customer=ask.made["customer"],
        items=[
            {"price": ask.made["metered"], "metadata": {"a": "b"}},
            {"price": ask.made["licensed"], "quantity": 2},
        ],
        billing_mode={"type": "flexible"},
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
        billing_cycle_anchor_config={
            "day_of_month": 1,
            "month": 4,
            "hour": 0,
            "minute": 0,
            "second": 0,
        },
        expand=["customer", "items.data.price.product"],
    )
    ask.made["subscription"] = subscription["id"]
    first, second = subscription["items"]["data"]
    ask.made["item"] = first["id"]
    path = f"/v1/subscriptions/{subscription['id']}"
    ask(
        "POST",
        path,
        items=[
            {"id": second["id"], "quantity": 3},
            {"price": ask.made["tiered"]},
        ],
        cancellation_details={"comment": "why not", "feedback": "unused"},
        pause_collection={"behavior": "void", "resumes_at": now + 86_400},
        billing_cycle_anchor={"type": "unchanged"},
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    ask("POST", path, items=[{"id": second["id"], "deleted": True}], cancel_at=now + 60)
    ask("GET", path, expand=["latest_invoice", "items.data.price.tiers"])
    other = ask(
        "POST",
        "/v1/subscriptions",
        customer=ask.made["customer"],
        items=[{"price": ask.made["licensed"]}],
        billing_mode={"type": "classic"},
        trial_period_days=7,
    )
    ask(
        "GET",
        "/v1/subscriptions",
        customer=ask.made["customer"],
        created=_EVER,
        current_period_end=_EVER,
        current_period_start=_EVER,
    )
    ask(
        "DELETE",
        f"/v1/subscriptions/{other['id']}",
        cancellation_details={"feedback": "unused"},
    )
    ask("GET", f"/v1/customers/{ask.made['customer']}", expand=["subscriptions"])


def _subscription_items(ask: Guide) -> None:
    ask("GET", "/v1/subscription_items", subscription=ask.made["subscription"])
    ask("GET", f"/v1/subscription_items/{ask.made['item']}")


def _usage(ask: Guide) -> None:
    customer = ask.made["customer"]
    payload = {"stripe_customer_id": customer, "value": "5"}
    event = {"event_name": "api_requests", "payload": payload}
    ask("POST", "/v1/billing/meter_events", **event, identifier="one")
    ask("POST", "/v1/billing/meter_events", **event, timestamp=ask.clock.seconds)
    ask(
        "POST",
        "/v1/billing/meter_event_adjustments",
        event_name="api_requests",
        type="cancel",
        cancel={"identifier": "one"},
    )
    day = ask.clock.seconds // 86_400 * 86_400
    asked: dict[str, object] = {
        "customer": customer,
        "start_time": day - 86_400,
        "end_time": day + 86_400,
        "value_grouping_window": "day",
    }
    summaries = f"/v1/billing/meters/{ask.made['meter']}/event_summaries"
    page = ask("GET", summaries, **asked)
    cursor = page["data"][-1]["id"]
    ask("GET", PLACEHOLDER, **asked, ending_before=cursor)


def _v2_usage(ask: Guide) -> None:
    payload = {"stripe_customer_id": ask.made["customer"], "value": "5"}
    event = {"event_name": "api_requests", "payload": payload, "identifier": "two"}
    ask(
        "POST",
        "/v2/billing/meter_events",
        **event,
        timestamp=ask.clock.at.isoformat(),
    )
    ask(
        "POST",
        "/v2/billing/meter_event_adjustments",
        event_name="api_requests",
        type="cancel",
        cancel={"identifier": "two"},
    )
    ask("POST", "/v2/billing/meter_event_session")
    lost = {"event_name": "api_requests", "payload": {"stripe_customer_id": "cus_x"}}
    nowhere = {**event, "event_name": "no_such_meter"}
    ask("POST", "/v2/billing/meter_event_stream", events=[lost, event, nowhere])


def _events(ask: Guide) -> None:
    page = ask("GET", "/v1/events", limit=100, created={"gte": 0})
    ask("GET", f"/v1/events/{page['data'][0]['id']}")
    ask.clock.at += timedelta(seconds=15)
    bounds = {"gt": "2000", "gte": "2000", "lt": "3000", "lte": "3000"}
    thin = ask("GET", "/v2/core/events", created=bounds)
    for each in thin["data"]:
        ask("GET", f"/v2/core/events/{each['id']}")


STEPS: tuple[Callable[[Guide], None], ...] = (
    _account,
    _meters,
    _products,
    _prices,
    _customers,
    _subscriptions,
    _subscription_items,
    _usage,
    _v2_usage,
    _events,
)


def never_looked_at(guide: Guide) -> Iterator[str]:
    """Name the parameters that are accepted and that no handler asked for.

    Groups that the tour never sent are named, too: nobody knows about their fields.
    """
    for operation in OPERATIONS:
        seen = guide.seen.get(name_of(operation), set())
        for path in _unseen(operation.schema, "", seen):
            yield f"{name_of(operation)} {path}"


def _unseen(group: Section, path: str, seen: set[str]) -> Iterator[str]:
    for name, kind in group.fields.items():
        at = f"{path}{name}"
        # `expand` is the server's business, and a choice of one tells nothing.
        one_choice = isinstance(kind, Text) and len(kind.choices) == 1
        if isinstance(kind, Unsupported) or name == "expand" or one_choice:
            continue
        if at not in seen:
            yield at
        inner = _group_of(kind)
        if inner is not None:
            below = f"{at}[]." if isinstance(kind, ListOf) else f"{at}."
            sent = below in seen
            yield from _unseen(inner, below, seen) if sent else (f"{below} (not sent)",)


def _group_of(kind: Kind) -> Section | None:
    if isinstance(kind, Either):
        return _group_of(kind.group)
    if isinstance(kind, ListOf):
        return _group_of(kind.kind)
    return kind if isinstance(kind, Section) else None


def not_toured(guide: Guide) -> Iterator[str]:
    """Name the operations that were never called."""
    for operation in OPERATIONS:
        if name_of(operation) not in guide.seen:
            yield name_of(operation)
