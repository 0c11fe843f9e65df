"""What a second person has to approve, whatever who asks says that it would do."""

import pytest
from tests.integration.requests.asked import ACME, NOBODY, states
from tests.support.contexts import STORAGE
from tests.support.people import Person

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import Asked
from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.context import Context
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.serving import RequestServer

HELD = 10_000
"""What an operator holds acme's storage at; its plan has no limit of it."""


@pytest.fixture
async def held(redis: Redis, context: Context) -> None:
    """An override where the plan has no limit."""
    await OperatorChanges(redis, context).set_override(
        ACME,
        STORAGE,
        HELD,
        expires_at=None,
        actor=NOBODY,
        reason="abuse",
        operation_id="held",
    )


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("claimed", [HELD, 0, None])
async def test_overrides_removed_at_once_are_judged_by_the_plans_limit(
    server: RequestServer, alice: Person, claimed: int | None
) -> None:
    """As removing one is: the limits that such an order names mean nothing."""
    order = BulkOrder(STORAGE, ((ACME, claimed),), None, "why", remove=True)
    with pytest.raises(Asked):
        await alice.bulk.perform(order, actor=NOBODY, operation_id="all")
    with pytest.raises(Asked):
        await alice.changes.clear_override(
            ACME, STORAGE, actor=NOBODY, reason="why", operation_id="one"
        )

    while await server.serve():
        pass

    waiting = {each.id: each.why for each in (await alice.desk.look()).pending}
    unlimited = "it is from or to unlimited"
    assert waiting == {"all": f"{unlimited}, of acme", "one": unlimited}
    assert await states(alice) == []
