"""Meter events on the command line: looked at, opened, replayed, taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.billing import Till, settled
from tests.support.stripe_account import Seller

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.stripe_sinks import open_sink
from meterdeck.core.model.context import SinkKind
from meterdeck.core.model.delivery import Answer, Attempt, Claim, NoClaim, Verdict
from meterdeck.core.model.event_lines import line_fields, line_of
from meterdeck.core.settings import load_context

WHY = ("--reason", "asked for")
NO_STRIPE = ("--stripe-api-base", "http://127.0.0.1:1")
HOSTILE = "[red]\x1b[2J\r\n\u202e"
T = TypeVar("T")


@dataclass(frozen=True)
class Shop:
    """Acme, a customer in Stripe, and a worker that bills it when told to."""

    cli: CommandLine
    store: redis.Redis
    customer: str

    def bill(self, units: int) -> Claim:
        """Count units, send them to Stripe, and account for the answer."""

        async def work(till: Till) -> Claim:
            await till.use(units)
            claim = await till.claim()
            assert till.context.stripe is not None
            sink = open_sink(
                SinkKind.V1, till.context.stripe, till.context.mode,
                at_once=1, meters=lambda name: None,
            )  # fmt: skip
            (attempt,) = await sink.send([claim.event])
            await sink.close()
            await till.settle(claim, attempt=attempt)
            return claim

        return self._with_till(work)

    def fail(self, units: int, verdict: Verdict, message: str = "no customer") -> str:
        """Count units, and settle their event as one that did not arrive."""

        async def work(till: Till) -> Claim:
            await till.use(units)
            claim = await till.claim()
            attempt = replace(settled(claim, verdict).attempt, message=message)  # type: ignore[type-var]  # it is one
            await till.settle(claim, verdict, attempt=attempt)
            return claim

        return self._with_till(work).event.identifier

    def unsent(self) -> int:
        """Claim what would be sent now, and return its units; 0 for nothing."""

        async def work(till: Till) -> Claim | NoClaim:
            return await till.ask_for()

        found = self._with_till(work)
        return found.units if isinstance(found, Claim) else 0

    def age(self, claim: Claim, time: timedelta) -> None:
        """Have an event delivered so much earlier than it was."""
        at = datetime.now(UTC) - time
        attempt = Attempt(Answer.ACCEPTED, at)
        settlement = replace(settled(claim, Verdict.DELIVERED), attempt=attempt)
        self.store.xtrim("meterdeck:events", maxlen=0, approximate=False)
        fields: dict[Any, Any] = {
            **line_fields(line_of(settlement)),
            "first_sent_at": str(int(at.timestamp() * 1000)),
        }
        self.store.xadd("meterdeck:events", fields)

    def _with_till(self, work: Callable[[Till], Awaitable[T]]) -> T:
        context = load_context(config=self.cli.config, context="billed", flags={})

        async def run() -> T:
            client = open_redis(context.redis)
            till = await Till.open(client, context)
            till.wanted = replace(till.wanted, customer=self.customer)
            try:
                return await work(till)
            finally:
                await client.aclose()

        return asyncio.run(run())


@pytest.fixture
def shop(
    stripe_cli: CommandLine,
    stripe_server: tuple[Seller, str],
    store: redis.Redis,
    acme: str,
) -> Shop:
    """Acme with a meter and a customer in Stripe, and a billing cycle."""
    seller, _ = stripe_server
    seller.meter()
    customer = seller.customer()
    cycle = {"anchor": "1793491200", "interval": "month", "interval_count": "1"}
    entry: dict[Any, Any] = {"customer": customer, **cycle}
    store.hset("meterdeck:tenant:acme", mapping=entry)
    return Shop(stripe_cli, store, customer)


def test_an_event_is_opened(shop: Shop) -> None:
    """What was sent, every answer, what can still be done and what closes first."""
    claim = shop.bill(1250)
    identifier = claim.event.identifier

    done = shop.cli("event", identifier[:14], "--json").json
    told = shop.cli("event", f"{identifier[:14]}…").out

    assert done["event"]["state"] == "accepted"
    assert (done["event"]["units"], done["event"]["period"]) == (
        1250,
        claim.counter.period,
    )
    assert done["body"] == {
        "event_name": "api_requests",
        "identifier": identifier,
        "timestamp": int(claim.event.timestamp.timestamp()),
        "payload": {"stripe_customer_id": shop.customer, "value": "1250"},
    }
    (request,) = done["requests"]
    assert (request["answer"], request["status"]) == ("accepted", 200)
    assert request["request_id"]
    assert request["idempotency_key"].startswith(f"{identifier}.")
    windows = {each["window"]: each for each in done["windows"]}
    assert set(windows) == {"cancel", "identifier", "timestamp", "invoice"}
    assert 86_300 < windows["cancel"]["seconds_left"] <= 86_400
    assert all(each["open"] for each in done["windows"])
    assert "cancel 23 h 59 m left" in told
    assert '"value": "1250"' in told


def test_a_cancelled_event_is_not_billed_again(
    shop: Shop, stripe_server: tuple[Seller, str]
) -> None:
    """Stripe is asked, the counter stays; the same operation is done once."""
    event = shop.bill(1250).event
    words = ("cancel", event.identifier, *WHY)

    dry = shop.cli(*words, "--dry-run")
    before = shop.cli("events", "--json").json["events"][0]["state"]
    done = shop.cli(*words, "--operation-id", "c-1", "--json").json
    again = shop.cli(*words, *NO_STRIPE, "--operation-id", "c-1", "--json").json
    refused = shop.cli(*words)

    assert (dry.code, before) == (0, "accepted")
    assert (done["replayed"], again["replayed"]) == (False, True)
    assert (refused.code, refused.out) == (1, "")
    assert "was cancelled or compensated before; there is nothing to" in refused.err
    (listed,) = shop.cli("events", "--state", "cancelled", "--json").json["events"]
    assert listed["identifier"] == event.identifier
    assert shop.unsent() == 0
    (entry,) = shop.cli("audit", "acme", "-n", "1", "--json").json["entries"]
    assert (entry["action"], entry["reason"]) == ("event:cancel", "asked for")
    with pytest.raises(Exception, match="already cancelled"):
        stripe_server[0].local.call(
            "POST",
            "/v1/billing/meter_event_adjustments",
            {
                "event_name": event.event_name,
                "type": "cancel",
                "cancel": {"identifier": event.identifier},
            },
        )


def test_a_cancelled_event_is_billed_again_if_asked_for(shop: Shop) -> None:
    """In a new event; where Stripe was away, cancelling again goes on from there."""
    event = shop.bill(1250).event

    away = shop.cli("cancel", event.identifier, "--rebill", *WHY, *NO_STRIPE)
    held = shop.unsent()
    done = shop.cli("cancel", event.identifier, "--rebill", *WHY)

    assert (away.code, held) == (3, 0)
    assert (done.code, done.err) == (0, "")
    assert shop.unsent() == 1250


def test_after_a_day_an_event_is_compensated(shop: Shop) -> None:
    """Cancelling is refused in one sentence; a negative event goes out, once."""
    claim = shop.bill(1250)
    shop.age(claim, timedelta(hours=27, minutes=5))
    identifier = claim.event.identifier

    late = shop.cli("cancel", identifier, *WHY)
    done = shop.cli("compensate", identifier, *WHY)
    again = shop.cli("compensate", identifier, *WHY)

    assert (late.code, late.out) == (1, "")
    assert late.err == (
        f"meterdeck: {identifier} cannot be cancelled: Stripe's 24 hours were over"
        " 3 h 5 m ago; compensate it instead\n"
    )
    assert done.code == 0
    assert (again.code, again.out) == (1, "")
    assert shop.unsent() == -1250
    story = shop.cli("event", identifier, "--json").json
    assert story["event"]["state"] == "cancelled"
    assert story["event"]["message"].startswith("compensated by ")


def test_letters_are_replayed_dry_run_first(shop: Shop) -> None:
    """Nothing changes without --yes; then the units go out again, in a new event."""
    dead = shop.fail(70, Verdict.DEAD, "No such customer: 'cus_x'")

    listed = shop.cli("letters", "--json").json
    dry = shop.cli("replay", "--all", "--tenant", shop.customer)
    other = shop.cli("replay", "--all", "--reason-contains", "no such METER", "--json")
    unreasoned = shop.cli("replay", dead, "--yes")
    held = shop.unsent()
    done = shop.cli("replay", dead, "--yes", *WHY, "--operation-id", "r", "--json").json
    again = shop.cli("replay", dead, "--yes", *WHY, "--operation-id", "r", "--json")
    refused = shop.cli("replay", dead)

    (letter,) = listed["letters"]
    assert (letter["state"], letter["units"], listed["total"]) == ("dead", 70, 1)
    assert letter["reason"] == "No such customer: 'cus_x'"
    assert dead in shop.cli("event", dead).out
    assert dry.code == 0
    assert "would go out again" in dry.out
    assert dry.err.startswith("dry run: 1 would go out again; nothing was changed")
    assert other.json["letters"] == []
    assert (unreasoned.code, unreasoned.out) == (2, "")
    assert held == 0
    assert [each["done"] for each in done["letters"]] == [True]
    assert again.json["letters"][0]["replayed"] is True
    assert shop.unsent() == 70
    assert shop.cli("letters", "--json").json["letters"] == []
    assert refused.code == 1
    assert "does not wait any more" in refused.out


def test_an_ambiguous_event_is_resolved(shop: Shop) -> None:
    """Counted: nothing is sent. Not counted: it goes out again. Else it is refused."""
    seen = shop.fail(70, Verdict.AMBIGUOUS, "no answer")
    replay = shop.cli("replay", seen)

    done = shop.cli("resolve", seen, "--counted", *WHY)
    settled_units = shop.unsent()
    lost = shop.fail(9, Verdict.AMBIGUOUS, "no answer")
    shop.cli("resolve", lost, "--not-counted", *WHY)
    refused = shop.cli("resolve", seen, "--counted", *WHY)

    assert replay.code == 1
    assert "may have been counted" in replay.out
    assert (done.code, settled_units) == (0, 0)
    assert shop.unsent() == 9
    states = [each["state"] for each in shop.cli("events", "--json").json["events"]]
    assert states[0] == "accepted"
    assert refused.err == (
        f"meterdeck: {seen} is accepted; only an ambiguous event is resolved\n"
    )


def test_events_are_chosen_by_state_tenant_source_and_text(shop: Shop) -> None:
    """Each flag may stand more than once; what waits is there without a line."""
    good = shop.bill(1250).event.identifier
    dead = shop.fail(70, Verdict.DEAD, HOSTILE)
    shop.store.hdel(f"meterdeck:billing:acme:api_calls:{_month(shop)}", "retry_at")
    shop.store.incrby(f"usage:acme:api_calls:{_month(shop)}", 5)
    shop.unsent()

    def chosen(*words: str) -> list[tuple[str, str]]:
        events = shop.cli("events", "--json", *words).json["events"]
        return [(each["identifier"], each["state"]) for each in events]

    own = '\n[resources.images]\nmeter = "images"\nbilled_by = "events"\n'
    shop.cli.config.write_text(shop.cli.config.read_text() + own)
    tracked = shop.cli(
        "track", "acme", "images", "3", "--dimension", f"where={HOSTILE}"
    )
    assert tracked.code == 0
    (queued,) = chosen("--state", "queued", "--source", "queue", "--resource", "images")
    assert queued[0].endswith("-q")
    everything = chosen("--resource", "api_calls")
    assert everything[:2] == [(good, "accepted"), (dead, "dead")]
    assert everything[2][1] == "in_flight"
    assert chosen("--state", "dead", "--state", "accepted") == everything[:2]
    assert chosen("--state", "in-flight") == everything[2:]
    assert chosen("--tenant", shop.customer, "-n", "1") == [queued]
    assert chosen("--tenant", "globex") == chosen("--source", "test") == []
    assert chosen("--grep", "[RED]") == [everything[1], queued]
    assert "\x1b" not in shop.cli("events").out + shop.cli("event", dead).out
    assert "\x1b" not in shop.cli("letters").out + shop.cli("replay", dead).out


def test_changes_of_events_pass_the_gates_of_every_change(shop: Shop) -> None:
    """Read-only refuses; a live context needs somebody, or --yes."""
    words = ("resolve", shop.fail(3, Verdict.AMBIGUOUS), "--counted", *WHY)

    read_only = shop.cli(*words, "--read-only", "--json")
    live = shop.cli.finished(*words, "--context", "production")
    done = shop.cli(*words, "--context", "production", "--yes")

    assert (read_only.code, read_only.json["error"]["type"]) == (1, "ReadOnly")
    assert live.err == (
        "meterdeck: context production is live and nobody can be asked; add --yes\n"
    )
    assert (live.code, done.code) == (1, 0)
    unknown = shop.cli("event", "md1-nothing")
    assert (unknown.code, unknown.out) == (1, "")
    assert "no meter event md1-nothing is known" in unknown.err


def _month(shop: Shop) -> str:
    seconds, _ = shop.store.time()
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
