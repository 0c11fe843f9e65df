"""The public contract's scripts are the ones that are sent."""

import hashlib
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.billing import Till, signed
from tests.support.contexts import CALLS, DISK, RENDERS, USERS, with_events, with_kinds
from tests.support.contract_document import DOCUMENT, documented_text
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.script_texts import script_texts
from meterdeck.core.errors import Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.delivery import Confirmation, Verdict
from meterdeck.core.model.queued import QueuedResult
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.event_queue import EventQueue
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


@pytest.mark.parametrize("script", script_texts())
def test_the_text_of_a_script_is_what_the_document_says(script: str) -> None:
    """So both sides share the digest, and the server keeps one script."""
    digest = hashlib.sha1(documented_text(script), usedforsecurity=False).hexdigest()

    assert digest == script_texts()[script].digest


def test_every_script_of_the_document_is_written_out() -> None:
    """What `meterdeck scripts` lists is the document's table."""
    named = re.findall(r"^\| (\w+) \| `checks\.lua`", DOCUMENT, re.MULTILINE)

    assert named == list(script_texts())


async def bill(redis: Redis, context: Context) -> None:
    """Have every script of delivery run once, for a tenant of its own."""
    till, letters = await Till.open(redis, context, "billed"), Letters(redis, context)
    who = till.wanted.counter
    await till.use(5)
    await till.settle(await till.claim(), Verdict.DEAD)
    (letter,) = await letters.of("billed")
    await letters.replay(letter, signed("op-1"))
    await till.settle(await till.claim())
    await till.records.confirm([Confirmation(who, 5, 2)])
    await letters.compensate(who, 1, signed("op-2"))
    claim = await till.claim()
    assert await letters.refuse_late(replace(letter, event=claim.event, units=-1))
    unknown = replace(letter.event, identifier="md1-none-9")
    with pytest.raises(Refused):
        await letters.begin_cancel(
            replace(letter, event=unknown), rebill=False, signature=signed("op-3")
        )


@pytest.mark.not_on("cluster")
async def test_the_scripts_that_are_written_out_are_the_ones_that_are_sent(
    redis: Redis,
    context: Context,
    usage: UsageService,
    changes: OperatorChanges,
    actor: Actor,
) -> None:
    """After everything was done once, the server knows each of them by its digest."""
    add = Adjustment(
        TenantId("acme"), CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "r"
    )
    await ask(redis, "SCRIPT", "FLUSH")
    made = await usage.reserve("acme", {CALLS: 1}, ttl=timedelta(hours=1), call_id="id")
    counter = f"usage:acme:api_calls:{made.resources[0].period.label}"
    await redis.zadd("meterdeck:reserving", {counter: 1})
    await usage.give_back_expired()
    await usage.confirm("acme", "id")
    of_kinds = UsageService(redis, with_kinds(context))
    await of_kinds.set_gauge("acme", DISK, 1)
    await of_kinds.count_unique("acme", USERS, ["ann"])
    by_events = with_events(context)
    await UsageService(redis, by_events).track("acme", RENDERS)
    queue = EventQueue(redis, by_events, "worker")
    taken = await queue.take(1)
    await queue.settle([QueuedResult(each, Verdict.DEAD) for each in taken])
    await bill(redis, context)
    await changes.adjust(add, actor=actor, operation_id="op-1")
    await changes.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="op-2",
    )
    await changes.clear_override(
        "acme", CALLS, actor=actor, reason="r", operation_id="op-3"
    )

    digests = {name: each.digest for name, each in script_texts().items()}
    del digests["replay"]  # test_replay_script compares that one
    del digests["forget_unsettled"]  # only where keys are tagged
    del digests["hold_billing"]  # reconciliation's
    del digests["keep_samples"]  # the sweep's
    del digests["next_request"], digests["settle_request"]  # test_requests runs them
    del digests["write_alerts"]  # a worker's, and operators' by test_alerts
    known = await ask(redis, "SCRIPT", "EXISTS", *digests.values())

    assert [name for name, there in zip(digests, known, strict=True) if not there] == []
