"""The link breaks in the middle of a change: all of it is done, or nothing, once.

On a real server, through a proxy that loses one request or one answer.
"""

from __future__ import annotations

from dataclasses import replace

from redis import Redis
from tests.support.contexts import CALLS, redis_context
from tests.support.proxy import Proxy
from tests.tui.support import Operator
from tests.tui.test_random_keys import sitting
from textual.widgets import Button, Input

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.context import Mode
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.engine import Engine

MANY = 40
LAYOUT = KeyLayout()


async def used(url: str, *tenants: str) -> Engine:
    """Have tenants that have used something; return an engine beside the proxy."""
    engine = Engine(redis_context(url))
    for tenant in tenants:
        await engine.usage.consume(tenant, {CALLS: 100})
    return engine


async def confirm(operator: Operator, **fields: str) -> None:
    """Fill the open dialog in and confirm it."""
    await operator.until(lambda: bool(operator.app.screen.query("#confirm")))
    for name, text in fields.items():
        operator.app.screen.query_one(f"#{name}", Input).value = text
    button = operator.app.screen.query_one("#confirm", Button)
    await operator.until(lambda: not button.disabled)
    await operator.press("ctrl+s")


async def trail(engine: Engine, tenant: str) -> list[AuditEntry]:
    """Return a tenant's trail, the oldest first; it is sound."""
    assert await engine.changes.verify_audit(tenant) is None
    return [*reversed(await engine.changes.audit(tenant))]


async def test_an_adjustment_whose_answer_is_lost_is_asked_for_and_done_once(
    valkey: Valkey,
) -> None:
    """Lost on the way there nothing was done, on the way back all of it.

    Either way the console says *unknown*, and asking again makes it once: counter and
    trail agree.
    """
    engine = await used(valkey.url, "acme")
    async with engine, Proxy(valkey.url) as proxy:
        context = replace(redis_context(proxy.url), mode=Mode.TEST)
        async with sitting(context) as operator:
            for before, is_there in ((True, 100), (False, 150)):
                marker = f"lost {before}"
                proxy.lose(b"acme", marker.encode(), before=before)
                await operator.press("a")
                await confirm(operator, amount="25", reason=marker)
                await operator.sees("the answer was lost")
                assert await counter(valkey) == is_there
                await operator.press_anew("right", "enter")
                done = "125" if before else "150, the bill does not follow; it had been"
                await operator.notices_say(f"→ {done}")

    assert proxy.faults == 2
    async with Engine(redis_context(valkey.url)) as engine:
        entries = await trail(engine, "acme")
    assert [(e.before, e.after) for e in entries] == [("100", "125"), ("125", "150")]
    assert await counter(valkey) == 150


async def counter(server: Valkey) -> int:
    """Return acme's calls, asked directly."""
    with Redis.from_url(server.url) as client:
        (key,) = client.keys(f"usage:acme:{CALLS}:*")
        return int(client.get(key) or 0)


async def test_a_bulk_override_that_is_cut_off_is_completed_and_nothing_is_set_twice(
    valkey: Valkey,
) -> None:
    """Part is done when the answer is lost; asking again sets what is missing."""
    tenants = [f"t{number:02d}" for number in range(MANY)]
    engine = await used(valkey.url, *tenants)
    async with engine, Proxy(valkey.url) as proxy:
        context = replace(redis_context(proxy.url), mode=Mode.TEST)
        async with sitting(context) as operator:
            proxy.lose(LAYOUT.override("t03", CALLS), b"launch")
            await operator.press("asterisk", "o")
            await confirm(operator, limit="+50%", reason="launch")
            await operator.sees("the answer was lost")
            there = await engine.changes.overrides()
            assert 0 < len(there) < MANY
            assert "t03" in {each.tenant for each in there}  # though nobody knows

            await operator.press_anew("right", "enter")
            await operator.notices_say(f"{MANY} overrides set")

        found = await engine.changes.overrides()
        assert {(each.tenant, each.units) for each in found} == {
            (tenant, 1_500) for tenant in tenants
        }
        trails = [await trail(engine, tenant) for tenant in tenants]
        assert {len(entries) for entries in trails} == {1}
        assert len({entries[0].operation_id for entries in trails}) == 1
