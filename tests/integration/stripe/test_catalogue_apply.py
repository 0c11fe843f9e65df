"""Carrying a plan out against the local Stripe, over HTTP, also when it goes wrong."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from tests.support.catalogue_stand import AFTER, BEFORE, WRITES, Stand
from tests.support.contexts import redis_context
from tests.support.selling import FORMS, declared, meter, price, product
from tests.support.stripe_account import Seller
from tests.support.stripe_door import Door
from tests.support.stripe_in_process import Wrong

from meterdeck.core.adapters.http_server import HttpServer
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import (
    CatalogueChanged,
    Refused,
    StripeRefused,
    UnknownOutcome,
)
from meterdeck.core.local_stripe import LocalStripe
from meterdeck.core.model.catalogue_prices import REPLACED_MARK
from meterdeck.core.model.context import Mode, PlanRule, Secret, StripeOptions
from meterdeck.core.model.prices import PerUnit, PriceInfo
from meterdeck.core.model.usage import PlanName
from meterdeck.core.services.catalogue import CatalogueService

KEY = "sk_test_local"
DEARER = declared(product(), price("fee", PerUnit(Decimal(2)), meter=""))


@dataclass(frozen=True)
class Behind(Stand):
    """A stand behind a door."""

    door: Door


@pytest.fixture
async def stand() -> AsyncIterator[Behind]:
    """An empty local Stripe."""
    local = LocalStripe(api_key=KEY)
    door = Door(local)
    async with HttpServer(door, host="127.0.0.1", port=0, named="door") as server:
        options = StripeOptions(Secret(KEY), api_base=server.base_url)
        gateway = StripeGateway(options, Mode.SANDBOX)
        yield Behind(local, gateway, door)
        await gateway.close()


async def test_a_plan_makes_the_account_as_declared_and_then_there_is_none(
    stand: Behind,
) -> None:
    """From nothing, and from something else: what was is replaced, ended or kept."""
    made = await stand.apply(BEFORE)
    first = await stand.plan(BEFORE)
    done = await stand.apply(AFTER)
    second = await stand.plan(AFTER)

    assert [each.error for each in (*made, *done)] == [None] * 13
    assert first.agrees
    assert second.agrees
    account = await stand.account()
    held = {each.lookup_key: each for each in account.prices if each.lookup_key}
    assert held["unit"].form == FORMS[2]
    assert held["unit"].nickname == "A token"
    (old,) = (each for each in account.prices if not each.lookup_key)
    assert (old.active, REPLACED_MARK in old.metadata) == (False, False)
    assert {each.event_name: each.active for each in account.meters} == {
        "tokens": False,
        "tokens_v2": True,
        "seats": True,
    }


async def test_the_default_price_moves_before_the_old_one_is_archived(
    stand: Behind,
) -> None:
    """Stripe archives no default price; the old price's metadata is taken over."""
    prices = stand.sell_before()
    metadata = {"metadata": {"team": "blue"}}
    stand.local.call("POST", f"/v1/prices/{prices['unit']}", metadata)

    await stand.apply(AFTER)

    account = await stand.account()
    (new,) = (each for each in account.prices if each.lookup_key == "unit")
    assert account.products[0].default_price == new.id
    assert new.metadata["team"] == "blue"


async def test_who_stays_on_a_replaced_price_is_said_before(stand: Behind) -> None:
    """And its meter goes on counting for them."""
    prices = stand.sell_before()
    seller = Seller(stand.local)
    seller.subscription(seller.customer(), prices["unit"])

    plan = await stand.plan(AFTER)
    done = await stand.apply(AFTER)

    assert plan.users[prices["unit"]].subscriptions == 1
    assert "tokens" not in {each.step.name for each in done}
    assert (await stand.plan(AFTER)).notes == plan.notes


@pytest.mark.parametrize("active", [True, False])
async def test_a_replaced_price_is_known_by_the_key_that_it_had(
    stand: Behind, active: bool
) -> None:
    """Whoever stays on it keeps the plan; also if nobody could buy it any more."""
    old_id = stand.sell_before()["fee"]
    stand.local.call("POST", f"/v1/prices/{old_id}", {"active": active})

    await stand.apply(DEARER)

    old, new = await fees(stand, old_id)
    assert (old.lookup_key, old.active, old.plan_key) == ("", False, "fee")
    assert (new.lookup_key, new.active) == ("fee", True)
    assert REPLACED_MARK not in old.metadata


async def test_it_is_known_by_it_from_when_the_key_moves(stand: Behind) -> None:
    """A run that is cut short right after leaves nobody without the plan."""
    old_id = stand.sell_before()["fee"]
    stand.door.at = 3  # marked, created, archived

    last = (await stand.apply(DEARER))[-1]

    old, new = await fees(stand, old_id)
    assert last.error is not None
    assert (old.active, old.plan_key, new.lookup_key) == (True, "fee", "fee")


async def test_a_plan_that_the_new_price_does_not_tell_is_noted(
    stand: Behind,
) -> None:
    """It is named by the old price's id, which the new one does not have."""
    rule = PlanRule(PlanName("pro"), prices=frozenset({stand.sell_before()["fee"]}))

    def of(*rules: PlanRule) -> CatalogueService:
        context = redis_context("redis://127.0.0.1:1/0")
        context = replace(context, catalogue=DEARER, plan_rules=rules)
        return CatalogueService(context, stand.gateway)

    (note,) = (await of(rule).plan()).notes
    both = replace(rule, lookup_keys=frozenset({"fee"}))

    assert "price fee stands for plan pro by its id or product" in note
    assert (await of(both).plan()).notes == ()


async def fees(stand: Behind, old_id: str) -> tuple[PriceInfo, PriceInfo]:
    """Return the old price of the fee and the one that replaced it."""
    prices = {each.id: each for each in (await stand.account()).prices}
    (new,) = (each for each in prices.values() if each.lookup_key == "fee")
    return prices[old_id], new


async def test_a_plan_of_another_account_is_not_carried_out(stand: Behind) -> None:
    """What changed meanwhile is looked at again; nothing is written."""
    prices = stand.sell_before()
    service = stand.service(AFTER)
    plan = await service.plan()
    stand.local.call("POST", f"/v1/prices/{prices['unit']}", {"nickname": "b"})

    with pytest.raises(CatalogueChanged):
        await anext(service.apply(plan, "run"))
    problem = await stand.plan(declared(meter("tokens", value_key="n")))
    with pytest.raises(Refused, match="problems"):
        await anext(service.apply(problem, "run"))

    assert stand.door.writes == []


@pytest.mark.parametrize("wrong", Wrong)
async def test_a_price_is_created_once_whatever_becomes_of_the_answer(
    stand: Behind, wrong: Wrong
) -> None:
    """A lost answer is settled by reading; where that fails, by the next run."""
    stand.sell_before()
    stand.door.wrong, stand.door.at = wrong, 5
    settles = wrong in {Wrong.BROKEN_AFTER, Wrong.LOST_AFTER}
    error = StripeRefused if wrong is Wrong.REFUSED else UnknownOutcome

    last = (await stand.apply(AFTER))[-1]
    stand.door.mend()
    again = await stand.apply(AFTER)

    assert stand.door.writes[4] == "/v1/prices"
    assert last.error is None if settles else isinstance(last.error, error)
    assert bool(again) is not settles
    assert len(stand.door.writes) <= WRITES + 2
    account = await stand.account()
    assert len(account.prices) == 4
    assert len([each for each in account.prices if each.active]) == 2
