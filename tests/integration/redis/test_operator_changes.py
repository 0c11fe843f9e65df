"""Operator changes of any kind: who may, what is noted, where keys lie."""

from dataclasses import replace

import pytest
from tests.support.acme import adjustment
from tests.support.contexts import CALLS, with_layout

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import (
    BadInput,
    NotFound,
    ReadOnly,
)
from meterdeck.core.model.changes import Actor, AdjustKind
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges

LAYOUT = KeyLayout()
ACME = TenantId("acme")


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("", "needs a reason"), ("  \n", "needs a reason"), ("x" * 501, "501 characters")],
)
async def test_a_change_without_a_usable_reason_is_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor, reason: str, sentence: str
) -> None:
    """Why is part of every change."""
    with pytest.raises(BadInput, match=sentence):
        await changes.adjust(
            replace(adjustment(AdjustKind.ADD, 1), reason=reason),
            actor=actor,
            operation_id="op-1",
        )
    assert await redis.keys("*") == []


@pytest.mark.parametrize("amount", [-1, LARGEST + 1, 1.5, True])
async def test_amounts_and_limits_that_are_no_quantity_are_refused(
    redis: Redis, changes: OperatorChanges, actor: Actor, amount: int
) -> None:
    """Neither an adjustment nor an override takes them."""
    with pytest.raises(BadInput, match="is not an amount"):
        await changes.adjust(
            adjustment(AdjustKind.SUBTRACT, amount), actor=actor, operation_id="op-1"
        )
    with pytest.raises(BadInput, match="is not a limit"):
        await changes.set_override(
            "acme",
            CALLS,
            amount,
            expires_at=None,
            actor=actor,
            reason="r",
            operation_id="op-1",
        )
    assert await redis.keys("*") == []


async def test_a_read_only_context_refuses_every_change_and_writes_nothing(
    redis: Redis, context: Context, actor: Actor
) -> None:
    """Reading still works."""
    service = OperatorChanges(redis, replace(context, read_only=True))

    with pytest.raises(ReadOnly):
        await service.adjust(
            adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
        )
    with pytest.raises(ReadOnly):
        await service.set_override(
            "acme",
            CALLS,
            5,
            expires_at=None,
            actor=actor,
            reason="r",
            operation_id="op-1",
        )
    with pytest.raises(ReadOnly):
        await service.clear_override(
            "acme", CALLS, actor=actor, reason="r", operation_id="op-1"
        )
    assert await service.overrides() == ()
    assert await service.audit() == ()
    assert await redis.keys("*") == []


async def test_every_change_moves_the_tenant_in_the_index_of_changes(
    redis: Redis, changes: OperatorChanges, actor: Actor
) -> None:
    """Watchers see overrides and adjustments by the same cursor as usage."""
    await changes.adjust(
        adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
    )
    await changes.set_override(
        "globex",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )
    await changes.clear_override(
        "globex", CALLS, actor=actor, reason="r", operation_id="op-3"
    )

    changed = await redis.zrange(LAYOUT.changed(), 0, -1, withscores=True)
    assert changed == [(b"acme", 1.0), (b"globex", 3.0)]


async def test_in_a_tagged_layout_changes_stay_in_the_tenants_slot(
    redis: Redis, context: Context, actor: Actor
) -> None:
    """Scripts touch tagged keys only; lists over all tenants still work."""
    service = OperatorChanges(redis, with_layout(context, KeyLayout(tagged=True)))

    await service.adjust(
        adjustment(AdjustKind.ADD, 1), actor=actor, operation_id="op-1"
    )
    await service.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )

    untagged = [key for key in await redis.keys("*") if b"{acme}" not in key]
    assert set(untagged) == {LAYOUT.audited(), LAYOUT.overridden()}
    assert len(await service.audit()) == 2
    assert len(await service.overrides()) == 1


async def test_an_unknown_resource_is_refused(
    changes: OperatorChanges, actor: Actor
) -> None:
    """The answer names the resources there are."""
    wish = replace(adjustment(AdjustKind.ADD, 1), resource=ResourceName("bananas"))

    with pytest.raises(NotFound, match="api_calls, images"):
        await changes.adjust(wish, actor=actor, operation_id="op-1")
