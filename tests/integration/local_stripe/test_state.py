"""A local Stripe whose account is kept in a file: it goes on as if nothing had been."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.stripe_account import Clock, Seller

from meterdeck.core.errors import ConfigError
from meterdeck.core.local_stripe import LocalStripe, event_log
from meterdeck.core.local_stripe.catalogue import OPERATIONS
from meterdeck.core.local_stripe.collection import Collection
from meterdeck.core.local_stripe.idempotency import IdempotencyKeys
from meterdeck.core.local_stripe.refusals import LocalStripeRefusal
from meterdeck.core.local_stripe.state.keeper import Keeper, kept_parts
from meterdeck.core.local_stripe.state.parts import NOT_KEPT
from meterdeck.core.local_stripe.state.tracked import TrackedDict
from meterdeck.core.local_stripe.world import World

API_KEY = "sk_test_sandbox"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY_S = 86_400
Open = Callable[..., LocalStripe]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the account is kept."""
    return tmp_path / "stripe.sqlite3"


@pytest.fixture
def clock() -> Clock:
    """The account's clock."""
    return Clock(NOON)


@pytest.fixture
def reopened(path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the account, as after a kill: what was open before is only let go of."""
    opened: list[LocalStripe] = []

    def open_it(lag_s: float = 0.0) -> LocalStripe:
        if opened:
            let_go(opened[-1])
        opened.append(LocalStripe(now=clock, seed=7, state=path, summary_lag_s=lag_s))
        return opened[-1]

    yield open_it
    let_go(opened[-1])


def let_go(stripe: LocalStripe) -> None:
    """Close the file without writing anything, as the end of a process does."""
    keeper = stripe._keeper
    if keeper is not None:
        keeper._database.close()
        stripe._keeper = None


def world_of(clock: Clock) -> World:
    """Return an empty account's world."""
    return World(clock, summary_lag_s=0, seed=1)


@contextmanager
def kept(path: Path, world: World) -> Iterator[Keeper]:
    """Keep a world while the block runs."""
    keeper = Keeper(path, world, {})
    try:
        yield keeper
    finally:
        keeper.close()


def test_every_attribute_of_the_account_is_kept_or_said_not_to_be(
    clock: Clock,
) -> None:
    """Whoever adds one to the world gets it kept, or has to say why it is not."""
    world = world_of(clock)
    keys = {name: IdempotencyKeys() for name in ("keys", "keys_of_v2")}
    names = {part.name for part in kept_parts(world, keys)}
    holders: dict[str, object] = {f"{name}.": each for name, each in keys.items()}
    holders |= {"": world, "events.": world.events, "reports.": world.reports}

    there = {
        f"{prefix}{attribute}"
        for prefix, holder in holders.items()
        for attribute, value in vars(holder).items()
        if not callable(value)
    }

    assert there - names == set(NOT_KEPT)
    assert all(NOT_KEPT.values())
    assert {"customers", "due", "events.kept", "keys._entries", "sessions"} <= names


@dataclass(frozen=True, kw_only=True)
class Gadget:
    """A record that nobody has thought of."""

    id: str
    at: datetime
    price: Decimal | None = None
    sizes: tuple[int, ...] = ()


def test_another_collection_is_kept_without_work(path: Path, clock: Clock) -> None:
    """Its records come back by their types, in order, replaced and dropped ones too;
    also where somebody puts another collection in its place."""

    def with_gadgets() -> World:
        world = world_of(clock)
        world.gadgets = Collection[Gadget]("gadget", lambda each: each.id[:1])  # type: ignore[attr-defined]  # the point
        return world

    first = Gadget(id="b1", at=NOON, price=Decimal("0.10"), sizes=(1, 2))
    world = with_gadgets()
    with kept(path, world) as keeper:
        for gadget in (first, Gadget(id="a1", at=NOON), Gadget(id="gone", at=NOON)):
            world.gadgets.put(gadget)  # type: ignore[attr-defined]
        keeper.save()
        again = world.gadgets.empty()  # type: ignore[attr-defined]
        again.put(first)
        again.put(Gadget(id="a1", at=NOON, sizes=(3,)))
        again.put(Gadget(id="c1", at=NOON))
        world.gadgets = again  # type: ignore[attr-defined]
        keeper.save()
        again.drop("c1")

    found = with_gadgets()
    with kept(path, found):
        gadgets = found.gadgets  # type: ignore[attr-defined]
        assert list(gadgets) == [first, Gadget(id="a1", at=NOON, sizes=(3,))]
        assert gadgets.grouped("b") == [first]


def test_a_dict_knows_what_is_changed_in_it() -> None:
    """By every method that dicts have for it."""
    values = TrackedDict({"a": 1, "b": 2, "c": 3, "d": 4})

    values["e"] = 5
    del values["a"]
    values.pop("b")
    values.setdefault("c", 0)
    values.setdefault("f", 6)
    values.update({"g": 7}, h=8)
    values |= {"i": 9}
    last = values.popitem()
    changed = dict(values.touched)
    values.clear()

    gone = dict.fromkeys(("a", "b", "i"), True)
    assert changed == {**gone, **dict.fromkeys(("e", "f", "g", "h"), False)}
    assert last == ("i", 9)
    assert all(values.touched.values())
    assert {"c", "d"} <= set(values.touched)


def furnish(stripe: LocalStripe, clock: Clock) -> str:
    """Put something of every kind into an account; return a customer."""
    seller = Seller(stripe)
    product = seller.product("Ünïcödé 🎉")
    meter, gauge = seller.meter(), seller.meter("level", "last")
    tiers = [
        {"up_to": 10, "unit_amount_decimal": "0.5"},
        {"up_to": "inf", "flat_amount": 7},
    ]
    usage = seller.metered_price(
        meter,
        product,
        lookup_key="usage",
        billing_scheme="tiered",
        tiers_mode="volume",
        tiers=tiers,
    )
    fee = seller.licensed_price(product, metadata={"a": "b"})
    customer, deleted = seller.customer("Acme"), seller.customer("Gone")
    stripe.call("DELETE", f"/v1/customers/{deleted}", {})
    stripe.call("POST", f"/v1/billing/meters/{gauge}/deactivate", {})
    seller.subscription(customer, usage, fee)
    cancelled = seller.subscription(customer, fee)
    stripe.call("DELETE", f"/v1/subscriptions/{cancelled}", {})
    alert = {"alert_type": "usage_threshold", "title": "much"}
    threshold = {"meter": meter, "gte": 5, "recurrence": "one_time"}
    stripe.call("POST", "/v1/billing/alerts", {**alert, "usage_threshold": threshold})
    credits = {
        "amount": {"type": "monetary", "monetary": {"value": 500, "currency": "usd"}},
        "applicability_config": {"scope": {"price_type": "metered"}},
        "category": "paid",
        "customer": customer,
        "expires_at": clock.seconds + 40 * DAY_S,
    }
    stripe.call("POST", "/v1/billing/credit_grants", credits)
    furnish_a_test_clock(stripe, fee, clock.seconds)
    stripe.advance_by(timedelta(hours=3))
    hook = {"url": "https://example.com/hook", "enabled_events": ["*"]}
    stripe.call("POST", "/v1/webhook_endpoints", hook)
    for number, value in enumerate(("1", "2.5", "4")):
        clock.move(seconds=7)
        seller.event(customer, value, identifier=f"e{number}")
    cancel = {"event_name": "api_requests", "type": "cancel"}
    path = "/v1/billing/meter_event_adjustments"
    stripe.call("POST", path, {**cancel, "cancel": {"identifier": "e1"}})
    seller.event("cus_nobody", "1", identifier="lost")
    stripe.add_usage("api_requests", customer, Decimal("0.125"), NOON)
    return customer


def furnish_a_test_clock(stripe: LocalStripe, price: str, at: int) -> None:
    """Put a customer on a test clock that is an invoice further."""
    clocks = "/v1/test_helpers/test_clocks"
    made = str(stripe.call("POST", clocks, {"frozen_time": at})["id"])
    frozen = {"name": "Frozen", "test_clock": made}
    customer = str(stripe.call("POST", "/v1/customers", frozen)["id"])
    Seller(stripe).subscription(customer, price)
    later = {"frozen_time": at + 60 * DAY_S}
    stripe.call("POST", f"{clocks}/{made}/advance", later)


def answers(stripe: LocalStripe, clock: Clock, customer: str) -> dict[str, object]:
    """Return what every GET of the account answers, lists and each object in them."""
    start = clock.seconds - clock.seconds % 60 - 40 * DAY_S
    span = {"start_time": start, "end_time": start + 80 * DAY_S}
    needed: dict[str, dict[str, object]] = {
        "/v1/billing/meters/{}/event_summaries": {**span, "customer": customer},
        "/v1/billing/credit_balance_summary": {
            "customer": customer,
            "filter": {
                "type": "applicability_scope",
                "applicability_scope": {"price_type": "metered"},
            },
        },
    }
    found: dict[str, object] = {}
    paths = [path for method, path in OPERATIONS._literal if method == "GET"]
    for path in paths:
        found[path] = ask(stripe, path, needed.get(path, {}))
        listed = found[path]
        rows = listed.get("data") if isinstance(listed, dict) else None
        for row in rows if isinstance(rows, list) else ():
            for pattern in under(path):
                each = pattern.replace("{}", row["id"])
                found[each] = ask(stripe, each, needed.get(pattern, {}))
    return found


def under(path: str) -> list[str]:
    """Return the paths of GET under a list's, with {} for an id."""
    patterns = [
        "/".join(parts)
        for (method, _), entries in OPERATIONS._patterns.items()
        if method == "GET"
        for parts, _ in entries
    ]
    return [each for each in patterns if each.startswith(f"{path}/{{}}")]


def rows_of(stripe: LocalStripe, path: str) -> list[Any]:
    """Return what a list has."""
    found: Any = stripe.call("GET", path, {"limit": 100})["data"]
    return list(found)


def ask(stripe: LocalStripe, path: str, params: dict[str, object]) -> object:
    """Return the answer, or the refusal."""
    try:
        return stripe.call("GET", path, params)
    except LocalStripeRefusal as refusal:
        return str(refusal)


def test_every_answer_is_the_same_after_a_restart(reopened: Open, clock: Clock) -> None:
    """Objects of every kind, their events, usage, alerts, credits and late errors; and
    what comes due later comes due as it would have."""
    before = reopened()
    customer = furnish(before, clock)
    clock.move(seconds=15)
    twin = Clock(NOON)
    beside = LocalStripe(now=twin, seed=7)
    furnish(beside, twin)
    twin.move(seconds=15)

    was = answers(before, clock, customer)
    after = reopened()
    found = answers(after, clock, customer)

    assert (before.restored, after.restored) == (False, True)
    assert found == was == answers(beside, twin, customer)
    assert len(found) > 40
    for each in (clock, twin):
        each.move(days=41)
    later, unbroken = answers(after, clock, customer), answers(beside, twin, customer)
    for path in ("/v1/subscriptions", "/v1/billing/credit_balance_transactions"):
        assert len(str(later[path])) == len(str(unbroken[path]))
    assert kinds(later) == kinds(unbroken) != kinds(found)


def kinds(found: dict[str, object]) -> list[str]:
    """Return the types of all events."""
    listed = found["/v1/events"]
    assert isinstance(listed, dict)
    return [str(each["type"]) for each in listed["data"]]


def test_the_oldest_events_are_forgotten_across_restarts(
    reopened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are kept, on disk too, where most were made by an earlier run."""
    monkeypatch.setattr(event_log, "EVENTS_KEPT", 4)
    for count in (7, 2):
        seller = Seller(reopened())
        made = [seller.customer() for _ in range(count)]

    found = rows_of(reopened(), "/v1/events")

    assert len(found) == 4
    assert [each["data"]["object"]["id"] for each in found[:2]] == made[::-1]


def test_identifiers_are_known_and_ids_are_new(reopened: Open, clock: Clock) -> None:
    """An event is counted once across restarts, and no id is made twice."""
    ids = set()
    for run in range(3):
        stripe = reopened()
        seller = Seller(stripe)
        if run == 0:
            seller.meter()
        ids |= {seller.customer(), seller.product()}
        seller.event(sorted(ids)[0], "1", identifier=f"run-{run}")
        for known in range(run + 1):
            with pytest.raises(LocalStripeRefusal, match="already exists"):
                seller.event(sorted(ids)[0], "1", identifier=f"run-{known}")
        account = stripe.call("GET", "/v1/account", {})["id"]
        ids.add(str(account))

    assert len(ids) == 7
    clock.move(hours=25)
    Seller(reopened()).event(sorted(ids)[0], "1", identifier="run-0")


async def test_an_idempotency_key_is_replayed_after_a_restart(
    reopened: Open, clock: Clock
) -> None:
    """The first answer comes again, byte for byte, and nothing is done again; a
    request that never ended runs anew."""
    key = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "k-1"}
    first = await post(reopened(), "/v1/customers", key, name="Acme")
    before = reopened()
    before._endpoint.keys.begin("running", "x", clock())
    Seller(before).customer("Other")

    after = reopened()
    again = await post(after, "/v1/customers", key, name="Acme")
    anew = await post(after, "/v1/customers", {**key, "Idempotency-Key": "running"})
    other = await post(after, "/v1/customers", key, name="Another")

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert (anew.status_code, other.status_code) == (200, 400)
    assert len(rows_of(after, "/v1/customers")) == 3


async def post(
    stripe: LocalStripe, path: str, headers: dict[str, str], **data: str
) -> httpx.Response:
    """Send a form in process."""
    transport = httpx.ASGITransport(stripe.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.post(path, data=data, headers=headers)


def test_usage_that_is_not_seen_yet_is_seen_in_time(
    reopened: Open, clock: Clock
) -> None:
    """What was received a moment before shows after the lag, also a cancellation."""
    seller = Seller(reopened(60.0))
    meter, customer = seller.meter(), seller.customer()
    cancelled = {
        "event_name": "api_requests",
        "type": "cancel",
        "cancel": {"identifier": "early"},
    }
    seller.event(customer, "10", identifier="early")
    clock.move(seconds=50)
    seller.event(customer, "3")
    seller.local.call("POST", "/v1/billing/meter_event_adjustments", cancelled)

    def seen(stripe: LocalStripe) -> object:
        span = {"start_time": int(NOON.timestamp()), "end_time": clock.seconds + 600}
        span["end_time"] -= span["end_time"] % 60
        path = f"/v1/billing/meters/{meter}/event_summaries"
        found: Any = stripe.call("GET", path, {**span, "customer": customer})
        return [each["aggregated_value"] for each in found["data"]]

    assert seen(reopened(60.0)) == []
    clock.move(seconds=20)
    assert seen(reopened(60.0)) == [10.0]
    clock.move(seconds=50)
    assert seen(reopened(60.0)) == [3.0]


async def test_sessions_late_errors_and_the_moved_clock_go_on(
    reopened: Open,
) -> None:
    """A token is still good, a window of late errors is reported when it closes, and
    what this run forwarded is not pushed by the next."""
    before = reopened()
    seller = Seller(before)
    seller.meter()
    before.forward("http://127.0.0.1:9/hook")
    before.forward("http://127.0.0.1:9/thin", thin=True)
    token = before.call("POST", "/v2/billing/meter_event_session", {})
    seller.event("cus_nobody", "1")
    secret = str(token["authentication_token"])

    after = reopened()
    stream = "/v2/billing/meter_event_stream"
    headers = {"Authorization": f"Bearer {secret}"}
    transport, here = httpx.ASGITransport(after.app), "http://127.0.0.1"
    async with httpx.AsyncClient(transport=transport, base_url=here) as client:
        payload = {"stripe_customer_id": "cus_nobody", "value": "1"}
        event = {"event_name": "api_requests", "payload": payload}
        answer = await client.post(stream, json={"events": [event]}, headers=headers)
        await client.post("/_sandbox/clock", json={"advance": 15})
    after = reopened()
    (report,) = rows_of(after, "/v2/core/events")

    assert answer.status_code == 200
    assert report["data"]["reason"]["error_count"] == 2
    assert rows_of(after, "/v1/webhook_endpoints") == []
    assert rows_of(after, "/v2/core/event_destinations") == []


def test_what_belongs_together_is_kept_whole_or_not_at_all(reopened: Open) -> None:
    """Half of what is done at once is nowhere to be found, whatever else is asked."""
    stripe = reopened()
    with stripe.at_once():
        Seller(stripe).customer("Whole")
        stripe.notes["fleet"] = "here"
    with pytest.raises(LocalStripeRefusal), stripe.at_once():
        Seller(stripe).subscription(Seller(stripe).customer("Half"), "price_none")
    Seller(stripe).customer("After")

    after = reopened()
    (found,) = rows_of(after, "/v1/customers")
    assert (found["name"], after.notes["fleet"]) == ("Whole", "here")


async def test_what_cannot_be_kept_is_not_answered(reopened: Open) -> None:
    """A full disk is a 500 that changed nothing anybody was told; once there is room
    all of it is kept."""
    stripe = reopened()
    keeper = stripe._keeper
    assert keeper is not None
    headers = {"Authorization": f"Bearer {API_KEY}"}
    next(keeper._database.all("PRAGMA query_only = ON"), None)

    refused = await post(stripe, "/v1/customers", headers, name="A")
    next(keeper._database.all("PRAGMA query_only = OFF"), None)
    taken = await post(stripe, "/v1/customers", headers, name="B")

    assert (refused.status_code, taken.status_code) == (500, 200)
    names = [each["name"] for each in rows_of(reopened(), "/v1/customers")]
    assert names == ["B", "A"]


def test_the_file_is_private_and_for_one(path: Path, clock: Clock) -> None:
    """Others may not read it, and a second sandbox is told so at once."""
    umask = os.umask(0)
    try:
        stripe = LocalStripe(now=clock, state=path)
        Seller(stripe).customer()
        modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        with pytest.raises(ConfigError, match="in use by another sandbox"):
            LocalStripe(now=clock, state=path)
        stripe.close()
    finally:
        os.umask(umask)

    assert modes == {0o600}


def sql(*statements: str) -> Callable[[Path], None]:
    """Return what changes a file behind our back."""

    def change(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return change


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "no database": lambda path: path.write_bytes(b"not a database at all" * 99),
    "another program's": sql("PRAGMA application_id = 7"),
    "of another format": sql("PRAGMA user_version = 99"),
    "an unknown kind": sql("INSERT INTO rows VALUES ('gizmos', 'x', 1, '{}')"),
    "a strange record": sql("UPDATE rows SET body = '{}' WHERE part = 'customers'"),
    "a strange number": sql("UPDATE usage SET value = 'many'"),
    "usage of no meter": sql("UPDATE usage SET meter = 'mtr_gone'"),
}


@pytest.mark.parametrize("spoil", UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    path: Path, clock: Clock, spoil: Callable[[Path], object]
) -> None:
    """It is named, left as it is, and what to do is said."""
    stripe = LocalStripe(now=clock, state=path)
    seller = Seller(stripe)
    seller.meter()
    seller.event(seller.customer(), "1")
    stripe.close()
    spoil(path)
    before = path.read_bytes()

    with pytest.raises(ConfigError) as caught:
        LocalStripe(now=clock, state=path)

    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("move it away, and the sandbox starts anew")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
