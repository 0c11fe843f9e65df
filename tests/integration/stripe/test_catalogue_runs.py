"""A plan is carried out by any number of runs, and in the end there is one of each."""

import asyncio
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.catalogue_stand import AFTER, WRITES, Stand
from tests.support.selling import FORMS, declared, meter, price, product
from tests.support.stripe_in_process import InProcess, Wrong

from meterdeck.core.errors import StripeRefused, UnknownOutcome
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.catalogue import Catalogue

ACTIVE = st.sampled_from((True, True, False))


def standing(at: int = 0, wrong: Wrong = Wrong.REFUSED) -> tuple[Stand, InProcess]:
    """Return an empty local Stripe, and the requests to it."""
    requests = InProcess(LocalStripe(), at, wrong)
    return Stand(requests.local, requests.gateway()), requests


@pytest.mark.parametrize("wrong", Wrong)
async def test_a_run_that_goes_wrong_anywhere_is_ended_by_the_next(
    wrong: Wrong,
) -> None:
    """Each single write, refused or lost: in the end there is the same, once."""
    stand, requests = standing()
    stand.sell_before()
    await stand.apply(AFTER)
    expected = await stand.state()
    assert len(requests.keys) == WRITES
    settles = wrong in {Wrong.BROKEN_AFTER, Wrong.LOST_AFTER}
    error = StripeRefused if wrong is Wrong.REFUSED else UnknownOutcome

    for at in range(1, WRITES + 1):
        stand, requests = standing(at, wrong)
        stand.sell_before()
        last = (await stand.apply(AFTER))[-1]
        assert last.error is None if settles else isinstance(last.error, error)
        requests.mend()
        await stand.apply(AFTER)

        assert (at, await stand.state()) == (at, expected)
        assert (await stand.plan(AFTER)).agrees
        assert len(set(requests.keys)) == len(requests.keys)


async def test_a_twin_that_comes_late_is_archived() -> None:
    """A request that was thought lost, and was done after the next run."""
    stand, requests = standing(5, Wrong.BROKEN_BEFORE)
    stand.sell_before()
    await stand.apply(AFTER)
    requests.mend()
    await stand.apply(AFTER)
    unit, fields = AFTER.prices["unit"], dict(requests.lost)
    stand.local.call("POST", "/v1/prices", fields)

    (step,) = (await stand.plan(AFTER)).steps
    await stand.apply(AFTER)

    assert (step.doing, step.name) == ("archive", unit.lookup_key)
    assert (await stand.plan(AFTER)).agrees
    sold = Counter(e.lookup_key for e in (await stand.account()).prices if e.active)
    assert sold == {"unit": 1, "bulk": 1}


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Draw a catalogue of a few names, so that two of them have much in common."""
    meters = [
        meter(name, active=draw(ACTIVE), display_name=draw(st.sampled_from("xy")))
        for name in draw(st.sets(st.sampled_from(("m1", "m2"))))
    ]
    products = [
        product(name, active=draw(ACTIVE), unit_label=draw(st.sampled_from(("", "x"))))
        for name in ("api", "web")
    ]
    names = [each.name for each in meters]
    prices = [
        price(
            name,
            draw(st.sampled_from(FORMS)),
            meter=draw(st.sampled_from(("", *names))),
            product=draw(st.sampled_from(("api", "web"))),
            currency=draw(st.sampled_from(("usd", "jpy", "kwd"))),
            interval_count=draw(st.integers(1, 2)),
            nickname=draw(st.sampled_from(("", "n"))),
            tax_behavior=draw(st.sampled_from(("", "exclusive", "inclusive"))),
            active=draw(ACTIVE),
        )
        for name in draw(st.sets(st.sampled_from(("p1", "p2", "p3"))))
    ]
    return declared(*meters, *products, *prices)


def test_no_second_plan_is_left_by_any_first() -> None:
    """Whatever was sold and whatever is declared: applied once, it is so."""
    with asyncio.Runner() as runner:

        @settings(max_examples=20, deadline=None)
        @given(catalogues(), catalogues(), st.booleans())
        def check(first: Catalogue, second: Catalogue, default: bool) -> None:
            runner.run(brought_from_one_to_the_other(first, second, default))

        check()


async def brought_from_one_to_the_other(
    first: Catalogue, second: Catalogue, default: bool
) -> None:
    stand, _ = standing()
    await stand.apply(first)
    assert (await stand.plan(first)).agrees
    if default:
        for each in (await stand.account()).prices:
            fields = {"default_price": each.id} if each.active else {}
            stand.local.call("POST", f"/v1/products/{each.product_id}", fields)

    plan = await stand.plan(second)
    assume(not plan.problems)
    assert {each.error for each in await stand.apply(second)} <= {None}

    assert (await stand.plan(second)).agrees
    sold = Counter(e.lookup_key for e in (await stand.account()).prices if e.active)
    assert not {key: count for key, count in sold.items() if count > 1 or not key}
