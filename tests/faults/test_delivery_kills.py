"""Workers are killed at every step and at any moment: each unit is billed once."""

import asyncio

import pytest
from tests.support.delivering import delivering
from tests.support.doom import Doom, Step
from tests.support.fault_run import FULL, Stage, playing, using

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.sandbox.valkey import Valkey

KILLS = 25 if FULL else 1
"""At each step."""
ANYWHERE = 50 if FULL else 4
CHANCE = 0.05 if FULL else 0.4
"""That a worker is killed when it comes to a step: hundreds come to many."""
EVENTS = 1_500 if FULL else 20
TENANTS = 300 if FULL else 12

pytestmark = pytest.mark.timeout(3600 if FULL else 120)


@pytest.mark.parametrize(
    ("workers", "plain"),
    [(1, False), (2, True), (4, False)],
    ids=["one, consume()", "two, INCR alone", "four, consume()"],
)
async def test_workers_killed_at_every_step_bill_each_unit_once(
    workers: int,
    plain: bool,
    stage: Stage,
    valkey: Valkey,
    valkey_client: Redis,
) -> None:
    """Before and after the claim, the request and the settling, and anywhere else;
    of thirty requests in a hundred Stripe loses the answer, cuts it, or has a 429 or
    500 for it. An application that does nothing but INCR is billed no less exactly."""
    context = delivering(stage.stripe.context(valkey.url), flush_s=0, takeover_s=0.8)
    customers = stage.customers(TENANTS)
    doom = Doom(workers, dict.fromkeys(Step, KILLS), chance=CHANCE, trouble=0.3)
    async with playing(
        f"killed at every step, {'INCR alone' if plain else 'consume()'}",
        stage,
        context,
        doom,
        redis=valkey_client,
        customers=customers,
        plain=plain,
        workers=workers,
    ) as run:
        async with using(run):
            await asyncio.gather(run.until_doomed(), run.kill_anywhere(ANYWHERE))
            await run.until_delivered(EVENTS)
        doom.relent()
        await run.until_settled()
        stage.found(await run.check())

    assert {doom.killed[step] for step in Step} == {KILLS}
    assert run.samples > 0
    assert run.ledger.requests > len(run.ledger.counted)
