"""What somebody who may write into Redis, or choose a name, would put everywhere.

Each text does something to whoever prints it as it is: to a terminal, to Textual, to a
spreadsheet. `acts_on_terminals` finds what of them has come through.
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from tests.support.billing import Till
from tests.support.contexts import CALLS, redis_context
from tests.support.raw import ask
from tests.support.tenants import but
from tests.tui.pictures import logged, tenant

from meterdeck.core.adapters.redis_client import (
    Redis,
    open_redis,
    server_time,
    to_milliseconds,
)
from meterdeck.core.errors import Asked
from meterdeck.core.model.alert_rules import AlertRule, Measure
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import AlertOptions, Context
from meterdeck.core.model.delivery import Answer, Attempt, Verdict
from meterdeck.core.model.events import EventOutcome
from meterdeck.core.model.request_rules import Rank, RequestOptions
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.alerting.alerts import Alerts
from meterdeck.core.services.alerting.watch import AlertWatch
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.requests.requested_changes import RequestedChanges
from meterdeck.core.services.requests.serving import RequestServer
from meterdeck.core.services.usage import UsageService

CSI = "\x1b[13;37yE\x1b[31mEVIL\x1b[2J"
TEXTS = (
    CSI,
    "\x1b]52;c;RVZJTA==\x07EVIL\x07",
    "\x1b]8;;https://evil.example/\x1b\\EVIL",
    "E\x9b31mEVIL\x9d0;EVIL\x9c\x85",
    "E\u202eEVIL\u2066\u200bV\ufeffI\u200fL\u2028",
    "E\r\n\x08\x0bEVIL\tx\x7f",
    "[red]EVIL[/] [@click=app.quit]EVIL[/] [/nope]",
    "=cmd|' /C calc'!A0 EVIL",
)
"""Names, reasons, notes and errors; each says EVIL somewhere."""
_OSC = re.compile(r"\x1b\](.*?)(?:\x07|\x1b\\)", re.S)
_CSI = re.compile(r"\x1b\[[0-?]*[ -/]*([@-~])")
_OTHER = re.compile(r"\x1b(?:[()][0-9A-Z]|[=>78cDEHMNOZ\\]|P.*?\x1b\\)", re.S)
_OURS = frozenset("ABCDGHJKSTXPLMdfhlmnpqrsucu@")
"""How the CSI sequences end that programs for terminals send."""


def acts_on_terminals(data: bytes, *, screen: bool = False) -> set[str]:
    """Return what of `data` a terminal would act on and is not the program's own.

    Args:
        screen: The program paints, by sequences of its own; else it only writes lines.
    """
    text = data.decode("utf-8", "surrogateescape")
    found = set()
    if screen:
        found |= {f"OSC {osc}" for osc in _OSC.findall(text) if "EVIL" in osc}
        found |= {f"OSC {osc}" for osc in _OSC.findall(text) if osc[:2] in ("52", "8;")}
        text = _OSC.sub("", text)
        found |= {f"CSI {end}" for end in _CSI.findall(text) if end not in _OURS}
        text = _OTHER.sub("", _CSI.sub("", text))
    allowed = "\r\n" if screen else "\n"
    acting = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return found | {
        f"U+{ord(ch):04X}"
        for ch in text
        if ch not in allowed and unicodedata.category(ch) in acting
    }


def fill(url: str) -> None:
    """Put every text where texts are, by the programs that write them."""
    _outside_tests_loop(_fill(redis_context(url)))


async def _fill(context: Context) -> None:
    redis = open_redis(context.redis)
    try:
        for number, text in enumerate(TEXTS):
            await _tenant(redis, context, text, number)
            await _changes(redis, context, text, number)
            await _asks(redis, context, text, number)
        await _alerts(redis, context)
    finally:
        await redis.aclose()


async def _tenant(redis: Redis, context: Context, text: str, number: int) -> None:
    """A tenant in the directory, counted, refused, with a letter and a log line."""
    layout, usage = context.redis.layout, UsageService(redis, context)
    entry = ("name", "customer", "subscription", "plan", "status")
    pairs = [word for name in entry for word in (name, text)]
    await ask(redis, "HSET", layout.tenant(text), *pairs)
    await ask(redis, "SADD", layout.tenants(), text.encode())
    await usage.consume(text, {CALLS: 900 + number})
    assert not (await usage.consume(text, {CALLS: 500})).allowed
    till = await Till.open(redis, context, text)
    claim = await till.claim()
    said = Attempt(Answer.REFUSED, claim.claimed_at, text, text, 400, text)
    await till.settle(claim, Verdict.DEAD, attempt=said)
    whose = but(tenant(text, text), customer=text)
    line = logged(whose, outcome=EventOutcome.REFUSED, message=text)
    await DeliveryLog(redis, context).append(replace(line, request_id=text))
    now = to_milliseconds(await server_time(redis))
    trouble = {"at": now, "words": text, "code": text, "request_id": text}
    worker = {"at": now + 600_000, "problem": text, "trouble": trouble}
    await ask(redis, "HSET", layout.workers(), text, json.dumps(worker))


async def _changes(redis: Redis, context: Context, text: str, number: int) -> None:
    changes, actor = OperatorChanges(redis, context), Actor(text, text)
    who = TenantId(text)
    wish = Adjustment(who, CALLS, AdjustKind.ADD, 9, None, Bill.QUOTA_ONLY, text)
    await changes.adjust(wish, actor=actor, operation_id=f"op-{number}")
    await changes.set_override(
        text,
        CALLS,
        2000,
        expires_at=None,
        actor=actor,
        reason=text,
        operation_id=f"limit-{number}",
    )


async def _asks(redis: Redis, context: Context, text: str, number: int) -> None:
    """Ask for so much that somebody else has to approve it."""
    rules = RequestOptions(people=(("bob", Rank.SUPPORT),), wait_s=0.0)
    of_bob = replace(context.redis, username="bob")
    asked = replace(context, requests=rules, redis=of_bob)
    asking = RequestedChanges(redis, asked)
    who = TenantId(text)
    wish = Adjustment(who, CALLS, AdjustKind.ADD, 5000, None, Bill.QUOTA_ONLY, text)
    with pytest.raises(Asked):
        await asking.adjust(wish, actor=Actor(text, text), operation_id=f"ask-{number}")
    server = RequestServer(redis, asked)
    while await server.serve():
        pass


async def _alerts(redis: Redis, context: Context) -> None:
    """An alert of each tenant, that somebody has seen."""
    near = AlertRule("near", Measure.PERCENT, (40,))
    told = replace(context, alerts=AlertOptions(rules=(near,)))
    now = await server_time(redis)
    watch = AlertWatch(
        redis,
        told,
        now=lambda: now,
        tenant_of=lambda _: None,
        is_mine=lambda _: True,
    )
    watch.notice(map(TenantId, TEXTS))
    await watch.look()
    alerts = Alerts(redis, told)
    open_ones = (await alerts.look()).alerts
    assert len(open_ones) == len(TEXTS)
    for seen in open_ones[: len(TEXTS) // 2]:
        text = seen.alert.slot.tenant
        await alerts.acknowledge(seen.alert.id, actor=Actor(text, text), note=text)


def _outside_tests_loop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
