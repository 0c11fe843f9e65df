"""Any order of counting, changing, claiming, sending and deciding bills once."""

import pytest
from tests.support.billing import Till
from tests.support.billing_model import BillingModel
from tests.support.contexts import redis_context

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.sandbox.valkey import Valkey


@pytest.mark.parametrize("seed", range(8))
async def test_every_unit_is_billed_once_whatever_happens(
    valkey: Valkey, valkey_client: Redis, seed: int
) -> None:
    """After each step every unit is in one place; in the end Stripe has what was to be
    billed; no identifier ever had two payloads."""
    till = await Till.open(valkey_client, redis_context(valkey.url))
    model = BillingModel(till, seed)

    for _ in range(100):
        await model.step()
    await model.finish()

    assert model.stripe.total == model.due
    assert (await till.read()).waiting == 0
