"""Names from outside: whatever they hold, they name the same tenant everywhere."""

import pytest
from tests.support.contexts import CALLS, with_layout
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import BadInput
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

NAMES = [
    "a:b:c",
    "usage:a:api_calls:2026-11",
    "{a}",
    "a}b{c",
    "{tenant}",
    "{0}%s",
    "\x1b]52;c;aGk=\x07",
    "line\nbreak\r\n",
    "nul\x00byte",
    "ten\udcffant",
    "[@click=app.danger]x[/]",
    "x" * 64,
    "🦔 ünï",
    " ",
    "*?[a-z]",
    "a\u202eb",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("tagged", [False, True])
async def test_a_tenants_name_survives_keys_overrides_and_audit(
    redis: Redis, context: Context, actor: Actor, name: str, *, tagged: bool
) -> None:
    """Counted, limited, adjusted and written down under exactly that name."""
    layout = KeyLayout(tagged=tagged)
    context = with_layout(context, layout)
    usage, changes = UsageService(redis, context), OperatorChanges(redis, context)
    wish = Adjustment(
        TenantId(name), CALLS, AdjustKind.ADD, 2, 1, Bill.QUOTA_ONLY, f"why {name}"
    )

    await usage.consume(name, {CALLS: 1}, call_id="req-1")
    await changes.adjust(wish, actor=Actor(name, name), operation_id="op-1")
    await changes.set_override(
        name,
        CALLS,
        50,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )

    row = (await usage.usage(name))[0]
    assert (row.tenant, row.used, row.limit.units) == (name, 3, 50)
    (override,) = await changes.overrides()
    assert override.tenant == name
    _, entry = await changes.audit()
    assert (entry.tenant, entry.actor, entry.origin) == (name, name, name)
    assert entry.reason == f"why {name}"
    assert await changes.verify_audit(name) is None
    parsed = [layout.parse_counter(key) for key in await ask(redis, "KEYS", "usage:*")]
    assert [each.tenant for each in parsed if each] == [name]
    if not tagged:
        (changed,) = await redis.zrange(layout.changed(), 0, -1)
        assert changed == name.encode("utf-8", "surrogateescape")


async def test_tenants_with_similar_names_stay_apart(
    redis: Redis, context: Context
) -> None:
    """A colon in a name makes no other tenant's key."""
    usage = UsageService(redis, context)
    for number, name in enumerate(("a", "a:b", "a:b:api_calls", "A", "a "), start=1):
        await usage.consume(name, {CALLS: number})

    for number, name in enumerate(("a", "a:b", "a:b:api_calls", "A", "a "), start=1):
        assert (await usage.usage(name))[0].used == number


@pytest.mark.parametrize("name", ["", "x" * 513, "\ud800"])
async def test_names_that_cannot_be_stored_are_refused(
    redis: Redis, context: Context, name: str
) -> None:
    """Empty, too long, or a surrogate that stands for no byte."""
    with pytest.raises(BadInput):
        await UsageService(redis, context).consume(name, {CALLS: 1})
    assert await redis.keys("*") == []
