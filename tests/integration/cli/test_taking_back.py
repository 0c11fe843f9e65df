"""Events that were billed and are taken back on the command line, once each."""

from datetime import timedelta

import pytest
from tests.integration.cli.shop import Shop
from tests.support.stripe_account import Seller

WHY = ("--reason", "asked for")
NO_STRIPE = ("--stripe-api-base", "http://127.0.0.1:1")


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


def test_what_is_being_cancelled_is_not_compensated_besides(shop: Shop) -> None:
    """Stripe was away in the middle: it says how to end that, and is taken off once."""
    identifier = shop.bill(1250).event.identifier
    away = shop.cli("cancel", identifier, *WHY, *NO_STRIPE)

    refused = shop.cli("compensate", identifier, *WHY, "--operation-id", "b-1")
    done = shop.cli("cancel", identifier, *WHY)
    late = shop.cli("compensate", identifier, *WHY, "--operation-id", "b-2")

    assert away.code == 3
    assert (refused.code, refused.err) == (
        1,
        f"meterdeck: {identifier} is being cancelled, not to be billed again;"
        " end that first: meterdeck cancel …\n",
    )
    assert (done.code, late.code) == (0, 1)
    assert shop.unsent() == 0


@pytest.mark.parametrize("rebill", [False, True])
def test_a_cancellation_is_ended_as_it_was_begun(shop: Shop, *, rebill: bool) -> None:
    """The other wish is refused, with what ends it; what is listed says which it is."""
    identifier = shop.bill(1250).event.identifier
    begun, other = (("--rebill",), ()) if rebill else ((), ("--rebill",))
    shop.cli("cancel", identifier, *begun, *WHY, *NO_STRIPE)

    refused = [
        shop.cli("cancel", identifier, *other, *WHY, *how)
        for how in ((), ("--dry-run",), ("--operation-id", "b-1"))
    ]
    (listed,) = shop.cli("letters", "--json").json["letters"]
    shown = [shop.cli(*words).out for words in (("letters",), ("event", identifier))]
    done = shop.cli("cancel", identifier, *begun, *WHY)

    words = f"being cancelled, {'' if rebill else 'not '}to be billed again"
    assert {(each.code, each.err) for each in refused} == {
        (
            1,
            f"meterdeck: {identifier} is {words}; end that first: meterdeck cancel …"
            f"{' --rebill' if rebill else ''}\n",
        )
    }
    assert listed["reason"] == words
    assert all(words in each for each in shown)
    assert (done.code, done.err) == (0, "")
    assert shop.unsent() == (1250 if rebill else 0)


def test_what_was_compensated_is_not_cancelled_besides(shop: Shop) -> None:
    """Also by a script, whose operation id could be of a cancellation that is done."""
    identifier = shop.bill(1250).event.identifier
    shop.cli("compensate", identifier, *WHY, "--operation-id", "a-1")

    refused = [
        shop.cli("cancel", identifier, *how, *WHY, "--operation-id", "b-1")
        for how in ((), ("--rebill",))
    ]

    for each in refused:
        assert (each.code, each.out) == (1, "")
        assert "was cancelled or compensated before" in each.err
    assert shop.unsent() == -1250


def test_a_compensation_that_left_no_line_is_seen_by_a_cancellation(
    shop: Shop,
) -> None:
    """Both are decided in Redis: of two people at once, one is refused."""
    claim = shop.bill(1250)
    identifier = claim.event.identifier
    shop.cli("compensate", identifier, *WHY)
    shop.age(claim, timedelta(0))  # as if its line had not been written

    refused = shop.cli("cancel", identifier, *WHY)

    assert (refused.code, refused.out) == (1, "")
    assert "was compensated: its units are taken off already" in refused.err
    assert shop.unsent() == -1250


def test_a_cancellation_that_was_begun_is_ended_after_the_day(
    shop: Shop, stripe_server: tuple[Seller, str]
) -> None:
    """Its answer was lost: Stripe is asked once more, and nothing is compensated."""
    claim = shop.bill(1250)
    event = claim.event
    shop.cli("cancel", event.identifier, *WHY, *NO_STRIPE)
    stripe_server[0].local.call(
        "POST",
        "/v1/billing/meter_event_adjustments",
        {
            "event_name": event.event_name,
            "type": "cancel",
            "cancel": {"identifier": event.identifier},
        },
    )
    shop.age(claim, timedelta(hours=27))

    refused = shop.cli("compensate", event.identifier, *WHY)
    done = shop.cli("cancel", event.identifier, *WHY)

    assert refused.code == 1
    assert "end that first: meterdeck cancel …\n" in refused.err
    assert (done.code, done.err) == (0, "")
    assert shop.unsent() == 0


def test_what_stripe_may_have_cancelled_is_looked_at_before_it_is_compensated(
    shop: Shop, stripe_server: tuple[Seller, str]
) -> None:
    """After its day Stripe knows the event no more, cancelled or not."""
    identifier = shop.bill(1250).event.identifier
    shop.cli("cancel", identifier, *WHY, *NO_STRIPE)
    stripe_server[0].local.advance_by(timedelta(hours=25))

    refused = shop.cli("cancel", identifier, *WHY)

    assert (refused.code, refused.out) == (1, "")
    assert "when Stripe was asked before, it may have cancelled it" in refused.err
    assert "see by meterdeck reconcile whether it counts it" in refused.err


def test_a_compensation_that_is_repeated_is_answered_again(shop: Shop) -> None:
    """By whoever made it, for the same reason; to others it is a second one."""
    identifier = shop.bill(1250).event.identifier
    words = ("compensate", identifier, "--operation-id", "a-1", "--json")

    done, again = (shop.cli(*words, *WHY).json for _ in range(2))
    other = shop.cli(*words, "--reason", "another")

    assert (done["replayed"], again["replayed"]) == (False, True)
    assert again["audit_id"] == done["audit_id"]
    assert other.code == 1
    assert "was cancelled or compensated before" in other.json["error"]["message"]
    assert shop.unsent() == -1250


def test_a_compensation_is_known_by_the_trail_when_all_else_has_forgotten_it(
    shop: Shop,
) -> None:
    """Its line was never written, and its operation id is kept for a day."""
    claim = shop.bill(1250)
    shop.cli("compensate", claim.event.identifier, *WHY)
    shop.age(claim, timedelta(hours=27))
    for key in shop.store.scan_iter("meterdeck:op:*"):
        shop.store.delete(key)

    done = shop.cli("compensate", claim.event.identifier, *WHY, "--json").json

    assert done["replayed"] is True
    assert shop.unsent() == -1250
    story = shop.cli("event", claim.event.identifier, "--json").json
    assert story["event"]["state"] == "cancelled"


def test_a_test_event_is_cancelled_and_compared_no_more(
    shop: Shop, stripe_server: tuple[Seller, str]
) -> None:
    """With its entry in the trail; of the counter that it was sent for nothing changes,
    though its identifier may end with a number, as those of a counter's events do."""
    shop.bill(7)
    fired = shop.cli("fire", "acme", "api_calls", "5", "--operation-id", "op-1")
    identifier = "meterdeck-test-op-1"
    words = ("cancel", identifier, *WHY)
    before = shop.cli("reconcile", "--all", "--json").json["differences"]

    refused = [
        shop.cli(*each, *WHY)
        for each in (("cancel", identifier, "--rebill"), ("compensate", identifier))
    ]
    done, again = (
        shop.cli(*words, "--operation-id", "c-1", "--json").json for _ in range(2)
    )
    stripe_server[0].local.advance_by(timedelta(minutes=10))
    after = shop.cli("reconcile", "--all", "--json").json["differences"]

    assert fired.code == 0
    assert [[each["cause"] for each in row["causes"]] for row in before] == [["test"]]
    for each in refused:
        assert "was a test event, which can only be cancelled" in each.err
    assert (done["replayed"], again["replayed"]) == (False, True)
    assert after == []
    (entry, *_) = shop.cli("audit", "acme", "--json").json["entries"]
    assert (entry["action"], entry["after"]) == ("event:cancel", "cancelled 5")
    assert shop.unsent() == 0
    story = shop.cli("event", identifier, "--json").json["event"]
    assert (story["state"], story["source"]) == ("cancelled", "test")
