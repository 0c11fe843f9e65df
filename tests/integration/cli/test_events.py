"""Meter events on the command line: looked at, opened, replayed, resolved."""

from datetime import UTC, datetime

import pytest
from tests.integration.cli.shop import Shop
from tests.support.proxy import Proxy

from meterdeck.core.model.delivery import Verdict

WHY = ("--reason", "asked for")
HOSTILE = "[red]\x1b[2J\r\n\u202e"


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


@pytest.mark.parametrize("given", [(), ("--operation-id", "op-1")])
def test_a_replay_whose_answer_was_lost_is_repeated_by_the_id_that_is_named(
    shop: Shop, redis_link: Proxy, given: tuple[str, ...]
) -> None:
    """It is the operation's, not that of the letter's part of it."""
    dead = shop.fail(70, Verdict.DEAD)
    words = ("replay", dead, "--yes", *WHY, "--json")

    redis_link.lose(b"again", dead.encode())
    lost = shop.cli(*words, *given)
    named = lost.json["error"]["operation_id"]
    again = shop.cli(*words, "--operation-id", named)

    assert (lost.code, redis_link.faults) == (3, 1)
    assert f"operation id {named} does it" in lost.json["error"]["message"]
    assert named == "op-1" or not given
    assert again.code == 0
    assert [each["replayed"] for each in again.json["letters"]] == [True]
    assert shop.unsent() == 70


def test_a_cancellation_whose_end_was_lost_is_repeated_by_the_id_that_is_named(
    shop: Shop, redis_link: Proxy
) -> None:
    """The end has an id of its own; the operation's is the one that can be given."""
    event = shop.bill(1250).event
    words = ("cancel", event.identifier, *WHY, "--operation-id")

    redis_link.lose(b"c-1.end")
    lost = shop.cli(*words, "c-1", "--json")
    again = shop.cli(*words, lost.json["error"]["operation_id"], "--json")

    assert (lost.code, redis_link.faults) == (3, 1)
    assert lost.json["error"]["operation_id"] == "c-1"
    assert (again.code, again.json["replayed"]) == (0, True)
    assert shop.unsent() == 0


def test_an_event_that_was_refused_later_says_why(shop: Shop) -> None:
    """Opened and in the list; the log has of it that it was accepted."""
    late = shop.refuse_late(70, "Customer cus_x not found.")

    opened, listed = shop.cli("event", late).out, shop.cli("events").out

    assert opened.startswith("refused ")
    assert "Customer cus_x not found." in opened.split("windows")[0]
    assert listed.rstrip().endswith("Customer cus_x not found.")


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
