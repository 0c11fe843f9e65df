"""The public contract names every key."""

import re
from datetime import timedelta

from tests.support.contexts import CALLS, DISK, IMAGES, USERS, with_kinds, with_rule
from tests.support.contract_document import DOCUMENT
from tests.support.raw import ask

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.context import Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService


async def test_the_document_names_every_key_with_its_type(
    redis: Redis, context: Context, actor: Actor
) -> None:
    """Every key that counting and changing leaves is in the table, with its type."""
    context = with_kinds(context)
    usage, changes = UsageService(redis, context), OperatorChanges(redis, context)
    await usage.set_gauge("acme", DISK, 5)
    await usage.count_unique("acme", USERS, ["ann"])
    shadow = LimitRule(Enforcement.SHADOW)
    ruled = UsageService(redis, with_rule(context, CALLS, shadow, 0))
    await ruled.consume("acme", {CALLS: 1, IMAGES: 1}, call_id="id")
    await ruled.release("acme", "id")
    await usage.reserve("acme", {IMAGES: 1}, ttl=timedelta(hours=1), call_id="id-2")
    await usage.consume("acme", {IMAGES: 11})
    await changes.set_override(
        "acme",
        CALLS,
        5,
        expires_at=None,
        actor=actor,
        reason="r",
        operation_id="id",
    )
    types = {"string": "string", "hash": "hash", "set": "set", "stream": "stream"}
    types["zset"] = "sorted set"

    for key in await ask(redis, "KEYS", "*"):
        name = re.sub(r"\d{4}-\d{2}|\bnow$", "{period}", key.decode())
        name = name.replace("{acme}", "acme")  # the braces of the tag
        name = name.replace("acme", "{tenant}").replace(":id-2", ":{id}")
        name = name.replace(":id", ":{id}")
        name = re.sub("api_calls|images|disk_gb|active_users", "{resource}", name)
        kind = types[(await ask(redis, "TYPE", key)).decode()]
        assert f"| `{name}` | {kind} |" in DOCUMENT


def test_every_key_of_the_layout_is_in_the_document() -> None:
    """A new key without a line in the contract is noticed here."""
    layout = KeyLayout()
    keys = [
        layout.counter("{tenant}", "{resource}", "{period}"),
        layout.tenant("{tenant}"),
        layout.tenants(),
        layout.directory(),
        layout.override("{tenant}", "{resource}"),
        layout.overrides("{tenant}"),
        layout.overridden(),
        layout.billing("{tenant}", "{resource}", "{period}"),
        layout.audit("{tenant}"),
        layout.undone("{tenant}"),
        layout.audited(),
        layout.operation("{tenant}", "{id}"),
        layout.call("{tenant}", "{id}"),
        layout.settled("{tenant}", "{id}"),
        layout.reserved("{tenant}", "{resource}", "{period}"),
        layout.reserving(),
        layout.beyond("{tenant}", "{resource}", "{period}"),
        layout.members("{tenant}", "{resource}", "{period}"),
        layout.trying("{tenant}", "{resource}", "{period}"),
        layout.measured("{tenant}", "{resource}"),
        layout.refusals("{tenant}"),
        layout.history("{tenant}", "{period}"),
        layout.sampled("{month}"),
        layout.changed(),
        layout.sequence(),
        layout.contract(),
        layout.queue("{tenant}"),
        layout.queued("{tenant}"),
        layout.queues(),
        layout.events(),
        layout.unsettled(),
        layout.letters("{tenant}"),
        layout.lettered(),
        layout.reports(),
        layout.syncing(),
        layout.workers(),
        layout.alerts("{tenant}"),
        layout.alerting(),
        layout.alerted(),
        layout.alert_due(),
        layout.requests("{person}"),
        layout.pending(),
        layout.answers("{person}"),
        layout.answered("{person}", "{id}"),
    ]

    for key in keys:
        assert f"| `{key.decode()}` |" in DOCUMENT
    documented = re.findall(r"^\| `((?:usage|meterdeck):[^`]+)` \|", DOCUMENT, re.M)
    assert sorted(documented) == sorted(key.decode() for key in keys)
