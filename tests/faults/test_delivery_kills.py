"""Workers are killed at every step: what was used is at Stripe, once."""

from contextlib import asynccontextmanager
from collections.abc import AsyncIterator
import pytest
from tests.support.crew import at_work
from tests.support.delivering import delivering
from tests.support.doom import Doom, Step
from tests.support.fault_run import Application, Run, using
from tests.support.stripe_side import StripeSide
from tests.support.zygote import Zygote
from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.sandbox.valkey import Valkey


@pytest.mark.parametrize("workers", [1, 2])
async def test_killed_at_every_step(zygote: Zygote, valkey: Valkey, valkey_client: Redis, stripe: StripeSide, workers: int) -> None:
    context = delivering(stripe.context(valkey.url), flush_s=0, takeover_s=1.0)
    customers = {f"t{n}": stripe.subscribed(f"t{n}") for n in range(12)}
    doom = Doom(7, {step: 3 for step in Step}, trouble=0.3)
    async with at_work(zygote, context, stripe, doom, workers=workers) as (crew, door):
        application = Application(context, valkey_client, customers, 1)
        run = Run("kills", context, valkey_client, stripe, application, crew, door)
        async with using(run):
            await run.until_doomed()
        doom.relent()
        await run.until_settled()
        await run.check()
    print(doom.killed, doom.troubled, run.ledger.statuses, crew.restarts, application.calls)
