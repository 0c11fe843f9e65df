"""Alerts on a real server: two workers fire once, and what fires arrives."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.contexts import CALLS, redis_context, with_layout
from tests.support.delivering import Bench, at_work, until
from tests.support.webhook_sink import Sink, webhook_sink

from meterdeck.core.adapters.alert_calls import AlertBook, AlertCalls
from meterdeck.core.adapters.redis_client import (
    Redis,
    server_time,
    to_milliseconds,
)
from meterdeck.core.model.alert_delivery import DeliveryState
from meterdeck.core.model.alert_rules import AlertRule, Measure, Reading, Severity
from meterdeck.core.model.alerts import AlertState, Telling
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import AlertOptions, AlertWebhook, Context, Secret
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.alerting.alerts import Alerts
from meterdeck.core.services.alerting.delivering import AlertDelivering
from meterdeck.core.services.alerting.watch import AlertWatch
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.sync.worker import Worker

SECRET = "a-secret-of-enough-letters"
NEAR = AlertRule("near", Measure.PERCENT, (80, 100), Severity.CRITICAL)
ACME = TenantId("acme")
ANNA = Actor("anna", "tty1")


def alerting(context: Context, url: str = "", **options: object) -> Context:
    """Return `context` with a rule, and a webhook at `url`."""
    webhook = AlertWebhook(Secret(url), "sink", Secret(SECRET)) if url else None
    found = AlertOptions(rules=(NEAR,), webhook=webhook, timeout_s=2.0)
    return replace(context, alerts=replace(found, **options))  # type: ignore[arg-type]


class Two:
    """Two workers' watches on one server, and whose clock they go by."""

    def __init__(self, redis: Redis, context: Context, at: datetime) -> None:
        self.at = at
        self.context = context
        self.watches = [
            AlertWatch(
                redis,
                context,
                now=lambda: self.at,
                tenant_of=lambda _: None,
                is_mine=lambda _: True,
            )
            for _ in range(2)
        ]
        self.calls = AlertCalls(redis, context.redis.layout, 35)

    async def look(self) -> None:
        """Let both look at the tenant at the same moment."""
        for watch in self.watches:
            watch.notice([ACME])
        await asyncio.gather(*(watch.look() for watch in self.watches))

    async def book(self) -> AlertBook:
        """Return what is kept of the tenant."""
        (book,) = await self.calls.books([ACME])
        return book

    @property
    def fired(self) -> int:
        """How many alerts both fired."""
        return sum(watch.fired for watch in self.watches)


@pytest.mark.parametrize("tagged", [False, True])
async def test_two_workers_fire_once_until_an_override_arms_it_again(
    valkey: Valkey, valkey_client: Redis, tagged: bool
) -> None:
    """With tagged keys too, whose indexes no script can write; all of it expires."""
    redis, layout = valkey_client, KeyLayout(tagged=tagged)
    url = "http://localhost:9/never-asked"
    context = with_layout(alerting(redis_context(valkey.url), url), layout)
    now = await server_time(redis)
    month = calendar_month(now)
    counter = layout.counter(ACME, CALLS, month.label)
    two = Two(redis, context, now)

    await redis.set(counter, "850")
    for _ in range(5):
        await two.look()
    assert two.fired == 1
    assert await two.calls.alerting(10) == ([ACME], 1)
    assert await two.calls.due(now, 10) == [ACME]

    changes = OperatorChanges(redis, context)
    await changes.set_override(
        ACME, CALLS, 1_000, expires_at=None, actor=ANNA, reason="r", operation_id="o1"
    )
    await two.look()
    assert two.fired == 1, "the same limit by another name is no other limit"
    await changes.set_override(
        ACME, CALLS, 5_000, expires_at=None, actor=ANNA, reason="r", operation_id="o2"
    )
    for watch in two.watches:
        await watch.learn()  # whose override there is
    await two.look()
    book = await two.book()
    assert [each.state for each in book.alerts.values()] == [AlertState.RESOLVED]
    await redis.set(counter, "4200")
    await two.look()

    assert two.fired == 2
    book = await two.book()
    assert len({each.id for each in book.deliveries}) == 3
    lives_ms = await redis.pexpiretime(layout.alerts(ACME).decode())
    assert lives_ms == int((month.end + timedelta(days=35)).timestamp() * 1000)
    before = {each.id for each in book.deliveries}
    (second,) = (each for each in book.alerts.values() if each.live)
    await changes.set_override(
        ACME, CALLS, 5_100, expires_at=None, actor=ANNA, reason="r", operation_id="o3"
    )
    await two.look()
    assert two.fired == 3
    new = [each for each in (await two.book()).deliveries if each.id not in before]
    assert {each.telling for each in new} == {Telling.FIRED, Telling.RESOLVED}
    (over,) = (each for each in new if each.telling is Telling.RESOLVED)
    assert over.alert == second.id
    assert json.loads(over.body)["alert"]["resolved_because"] == "limit_changed"


async def test_a_broken_counter_and_a_foreign_key_stop_nobody_else(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """What cannot be read says nothing, and is not overwritten."""
    redis, layout = valkey_client, KeyLayout()
    now = await server_time(redis)
    two = Two(redis, alerting(redis_context(valkey.url)), now)
    label = calendar_month(now).label
    await redis.set(layout.counter("broken", CALLS, label), "many")
    await redis.set(layout.counter(ACME, CALLS, label), "990")
    await redis.set(layout.counter("foreign", CALLS, label), "990")
    await redis.set(layout.alerts("foreign"), "not ours")

    watch = two.watches[0]
    watch.notice([TenantId("broken"), TenantId("foreign"), ACME])
    await watch.look()
    drift = AlertRule("drift", Measure.DRIFT, (1,))
    who = TenantId("foreign")
    await watch.compared(who, [Reading(drift, who, "", "", CALLS, label, None, 5)])

    assert watch.fired == 1
    assert await redis.get(layout.alerts("foreign")) == b"not ours"


def documented_check() -> Callable[[str, bytes, str], bool]:
    """Return the function that the document gives to receivers."""
    text = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
    _, _, code = text.rpartition("```python\n")
    names: dict[str, Any] = {}
    exec(code.partition("```")[0], names)  # noqa: S102  # our own document
    check: Callable[[str, bytes, str], bool] = names["is_from_meterdeck"]
    return check


async def fired_once(redis: Redis, context: Context, sink: Sink) -> Two:
    """Have one alert fired that is to be told to a sink."""
    now = await server_time(redis)
    key = context.redis.layout.counter(ACME, CALLS, calendar_month(now).label)
    await redis.set(key, "850")
    two = Two(redis, alerting(context, f"{sink.url}/hook?token=hidden"), now)
    await two.look()
    return two


def deliverers(two: Two) -> list[AlertDelivering]:
    """Return two workers' deliverers that go by the same clock."""
    found: list[AlertDelivering] = []
    for _ in range(2):
        chance: Callable[[], float] = lambda: 0.5  # noqa: E731  # a name for a type
        found.append(
            AlertDelivering(
                two.calls,
                two.context.alerts,
                now=lambda: two.at,
                is_mine=lambda _: True,
                chance=chance,
            )
        )
    return found


async def test_an_alert_arrives_with_one_id_however_often_it_is_refused(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """A fault, a redirect, no answer, a dead worker: the same signed body each time."""
    async with webhook_sink() as sink:
        two = await fired_once(valkey_client, redis_context(valkey.url), sink)
        both = deliverers(two)
        sink.answers = [500, 302]
        for _ in range(2):
            await asyncio.gather(*(each.deliver() for each in both))
            two.at += timedelta(seconds=60)
        (waiting,) = (await two.book()).deliveries
        assert (waiting.attempts, waiting.problem) == (
            2, "it answered 302, and redirects are not followed",
        )  # fmt: skip

        sink.answers = [0]  # a worker that dies before there is an answer
        dying = asyncio.create_task(both[0].deliver())
        await until(lambda: len(sink.pushes) == 3, "it is asked")
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
        await both[1].deliver()
        assert len(sink.pushes) == 3, "its attempt is its own for a while"
        two.at += timedelta(seconds=60)
        await asyncio.gather(*(each.deliver() for each in both))
        two.at += timedelta(hours=1)
        await asyncio.gather(*(each.deliver() for each in both))
        for each in both:
            await each.close()

    (done,) = (await two.book()).deliveries
    assert (done.state, done.attempts) == (DeliveryState.DELIVERED, 4)
    assert len(sink.pushes) == 4
    assert {push.delivery for push in sink.pushes} == {done.id}
    assert {push.body for push in sink.pushes} == {done.body.encode()}
    for push in sink.pushes:
        assert documented_check()(push.signature, push.body, SECRET)
        assert not documented_check()(push.signature, push.body + b" ", SECRET)
    told = json.loads(done.body)
    assert (told["type"], told["id"]) == ("alert.fired", done.id)
    assert told["alert"]["message"] == "acme API calls 85 %"
    assert (told["alert"]["used"], told["alert"]["limit"]) == ("850", "1000")
    assert "hidden" not in str((await two.book(), two.context))


async def test_the_webhook_can_be_tried_out(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """Once, whatever it answers; what it says is told."""
    async with webhook_sink() as sink:
        context = alerting(redis_context(valkey.url), f"{sink.url}/hook")
        alerts = Alerts(valkey_client, context)
        sink.answers = [404]
        assert (await alerts.test(ANNA))[1] == "it answered 404"
        delivery, problem = await alerts.test(ANNA)

    assert problem == ""
    told = json.loads(sink.pushes[1].body)
    assert (told["id"], told["type"]) == (delivery, "alert.test")
    assert told["alert"]["handled"]["by"] == "anna"


async def test_nobody_is_tried_for_ever_and_what_was_given_up_is_seen(
    valkey: Valkey, valkey_client: Redis
) -> None:
    """After the setting's hours it is undelivered, with the last reason."""
    async with webhook_sink() as sink:
        two = await fired_once(valkey_client, redis_context(valkey.url), sink)
        sink.answers = [503] * 100
        (deliverer, _) = deliverers(two)
        for _ in range(60):
            await deliverer.deliver()
            two.at += timedelta(hours=1)
        await deliverer.close()

    (given_up,) = (await two.book()).deliveries
    assert given_up.state is DeliveryState.UNDELIVERED
    assert given_up.problem == "it answered 503"
    assert 20 <= given_up.attempts <= 30
    assert await two.calls.due(two.at, 10) == []


@pytest.mark.parametrize("tagged", [False, True])
async def test_what_waits_for_an_earlier_telling_is_not_due_before_it(
    valkey: Valkey, valkey_client: Redis, tagged: bool
) -> None:
    """Else, a webhook being away, they are looked at each second before the others."""
    async with webhook_sink() as sink:
        layout = KeyLayout(tagged=tagged)
        context = with_layout(redis_context(valkey.url), layout)
        two = await fired_once(valkey_client, context, sink)
        (deliverer, _) = deliverers(two)
        sink.answers = [503] * 3
        for _ in range(3):
            await deliverer.deliver()
            two.at += timedelta(seconds=10)
        month = calendar_month(two.at).label
        await valkey_client.set(layout.counter(ACME, CALLS, month), "10")
        await two.look()
        book = await two.book()
        assert [each.waits for each in book.deliveries] == [True, True]

        assert await two.calls.due(two.at, 10) == []
        await two.calls.mend(ACME, two.at)
        assert await two.calls.due(two.at, 10) == []
        two.at += timedelta(minutes=1)
        for _ in range(2):
            assert await two.calls.due(two.at, 10) == [ACME]
            await deliverer.deliver()
        await deliverer.close()

    types = [json.loads(push.body)["type"] for push in sink.pushes]
    assert types[-2:] == ["alert.fired", "alert.resolved"]


async def test_a_worker_fires_what_it_finds_of_use_of_drift_and_of_lag(
    bench: Bench,
) -> None:
    """A plain INCR by the sweep, a difference when it reconciles, any worker's lag.

    Each is told once, and the end of the lag as well.
    """
    customers = {name: bench.stripe.subscribed(name) for name in ("acme", "zeta")}
    rules = (
        NEAR,
        AlertRule("drift", Measure.DRIFT_PERCENT, (1,)),
        AlertRule("lag", Measure.LAG, (600,)),
    )
    async with webhook_sink() as sink:
        context = alerting(bench.context, f"{sink.url}/", rules=rules)
        await bench.use("zeta", 90_000)
        async with at_work(Worker(context, name="a")) as worker:
            await until(lambda: len(sink.pushes) == 1, "the alert of zeta arrives")
            await until(lambda: worker.counters.tally.delivered == 1, "it is billed")
            bench.stripe.local.call(
                "POST",
                "/v1/billing/meter_events",
                {
                    "event_name": "api_requests",
                    "identifier": "foreign",
                    "payload": {
                        "stripe_customer_id": customers["zeta"],
                        "value": "5000",
                    },
                },
            )
            await worker.duties.reconcile(everything=True)
            await until(lambda: len(sink.pushes) == 2, "the alert of drift arrives")
            later = to_milliseconds(await bench.now() + timedelta(minutes=1))
            behind = {"at": later, "oldest_unsent_s": 700}
            workers = context.redis.layout.workers()
            await bench.redis.hset(workers, "z", json.dumps(behind))
            await until(lambda: len(sink.pushes) == 3, "the alert of lag arrives")
            await bench.redis.hdel(workers, "z")
            await until(lambda: len(sink.pushes) == 4, "that it is over arrives")

    told = [json.loads(push.body) for push in sink.pushes]
    assert [(each["type"], each["alert"]["message"]) for each in told] == [
        ("alert.fired", "Acme API calls 90 %"),
        ("alert.fired", "Acme API calls differs by 6 %"),
        ("alert.fired", "usage waits for Stripe 11 min"),
        ("alert.resolved", "usage waits for Stripe 11 min"),
    ]
    use, drift, lag = (each["alert"] for each in told[:3])
    assert (use["tenant"], use["threshold"], use["severity"]) == (
        {"id": "zeta", "name": "Acme", "plan": "pro"}, 80, "critical",
    )  # fmt: skip
    assert drift["tenant"]["id"] == "zeta"
    assert (lag["tenant"], lag["value"]) == (None, 700)
