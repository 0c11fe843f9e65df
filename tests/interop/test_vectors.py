"""The same vectors for the Python library and the JavaScript client."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.contexts import redis_context, with_layout
from tests.support.node import run_node
from tests.support.vectors import Form, bytes_of, cases_at, fits

from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    from_milliseconds,
    server_time,
    to_milliseconds,
)
from meterdeck.core.errors import BadInput, BrokenCounter, MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Decision, GaugeReading, Settled
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import PLAIN, read_rule
from meterdeck.core.model.names import name_text
from meterdeck.core.model.periods import Period, PeriodKind
from meterdeck.core.model.usage import (
    Broken,
    Plan,
    PlanName,
    Resource,
    ResourceKind,
    ResourceName,
)
from meterdeck.core.model.usage import Usage as UsageRow
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.usage import UsageService

ERRORS = {
    "nothing is known": "unknown",
    "was refused": "nothing",
    "has expired": "expired",
    "is no reservation": "plain",
    "before, in another way": "settled",
    "would pass 2^53": "overflow",
    "was used for another": "reused",
    "does not overwrite it": "foreign",
    "has no resource": "bad",
    "read a level; there is nothing to": "other",
    "counted members; there is nothing to": "other",
}
"""Sentences of our errors, and the contract's words for them."""


def context_of(context: Context, resources: Mapping[str, Form]) -> Context:
    """Return `context` with a case's resources, limits and rules."""
    plan = PlanName("vectors")
    limits: dict[ResourceName, int | None] = {}
    rules = {}
    made = []
    for name, spec in resources.items():
        resource = ResourceName(name)
        cycled = spec.get("cycle", False)
        kind = PeriodKind.BILLING_CYCLE if cycled else PeriodKind.CALENDAR_MONTH
        rule = read_rule(spec["rule"]) if "rule" in spec else PLAIN
        assert rule is not None
        sort = ResourceKind(spec.get("kind", ResourceKind.COUNTER))
        made.append(Resource(resource, name, "unit", period=kind, rule=rule, kind=sort))
        if "rule" in spec:
            rules[resource] = rule
        if "limit" in spec:
            limits[resource] = None if spec["limit"] == "unlimited" else spec["limit"]
    plans = {plan: Plan(plan, "Vectors", limits, rules)}
    return replace(context, resources=tuple(made), plans=plans, default_plan=plan)


class PythonSide:
    """The calls of one case, made by our own library."""

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._usage = UsageService(redis, context)

    async def does(self, step: Form) -> Form:
        """Take a step and return what was found, in the vectors' form."""
        if "redis" in step:
            words = [bytes_of(each) for each in step["redis"]]
            return _readable(
                await execute_write(self._redis, *words, what="", operation_id="")
            )
        try:
            return await self._call(step)
        except BadInput:
            return {"error": "bad"}
        except BrokenCounter:
            return {"error": "broken"}
        except MeterdeckError as error:
            (code,) = [word for part, word in ERRORS.items() if part in str(error)]
            return {"error": code}

    async def _call(self, step: Form) -> Form:
        usage = self._usage
        match step:
            case {"consume": call}:
                return _decision(
                    await usage.consume(
                        _tenant(call),
                        _amounts(call) or {},
                        call_id=call.get("id"),
                        limits=call.get("limits"),
                    )
                )
            case {"reserve": call}:
                return _decision(
                    await usage.reserve(
                        _tenant(call),
                        _amounts(call) or {},
                        call_id=call.get("id"),
                        ttl=timedelta(milliseconds=call["ttl_ms"]),
                    )
                )
            case {"release": call}:
                return _settled(
                    await usage.release(_tenant(call), call["id"], _amounts(call))
                )
            case {"confirm": call}:
                return _settled(
                    await usage.confirm(_tenant(call), call["id"], _amounts(call))
                )
            case {"peek": call}:
                return await self._peek(call)
            case _:
                return await self._of_a_kind(step)

    async def _peek(self, call: Form) -> Form:
        rows = await self._usage.peek(_tenant(call))
        if any(isinstance(row.used, Broken) for row in rows):
            return {"error": "broken"}
        return {"resources": {row.resource: _standing(row) for row in rows}}

    async def _of_a_kind(self, step: Form) -> Form:
        match step:
            case {"set_gauge": call}:
                return await self._set_gauge(call)
            case {"count_unique": call}:
                return await self._count_unique(call)
            case _:
                pytest.fail(f"no such step: {step}")

    async def _count_unique(self, call: Form) -> Form:
        return _decision(
            await self._usage.count_unique(
                _tenant(call),
                call["resource"],
                [bytes_of(each) for each in call["members"]],
                call_id=call.get("id"),
                limits=call.get("limits"),
            )
        )

    async def _set_gauge(self, call: Form) -> Form:
        at = call.get("measured_at")
        return _reading(
            await self._usage.set_gauge(
                _tenant(call),
                call["resource"],
                _amount(call["value"]),
                measured_at=None if at is None else from_milliseconds(int(at)),
                call_id=call.get("id"),
                limits=call.get("limits"),
            )
        )


def _tenant(call: Form) -> str:
    return name_text(bytes_of(call["tenant"]))


def _amounts(call: Form) -> dict[str, int] | None:
    if "amounts" not in call:
        return None
    return {name: _amount(each) for name, each in call["amounts"].items()}


def _amount(written: Form) -> int:
    found: int = int(written["integer"]) if isinstance(written, dict) else written
    return found


def _readable(reply: object) -> Form:
    if isinstance(reply, list):
        return [_readable(each) for each in reply]
    return name_text(reply) if isinstance(reply, bytes) else reply


def _period(period: Period) -> dict[str, Form]:
    return {
        "period": period.label,
        "period_start": to_milliseconds(period.start),
        "period_end": to_milliseconds(period.end),
    }


def _decision(made: Decision) -> Form:
    resources = {
        each.resource: {
            "current": each.current,
            "limit": each.limit.units,
            "source": each.limit.source.value,
            "remaining": each.remaining,
            "reason": each.reason or each.beyond,
            **_period(each.period),
        }
        for each in made.resources
    }
    return {
        "allowed": made.allowed,
        "replayed": made.replayed,
        "resources": resources,
    }


def _reading(made: GaugeReading) -> Form:
    return {
        "before": made.before,
        "current": made.current,
        "limit": made.limit.units,
        "source": made.limit.source.value,
        "remaining": made.remaining,
        "over": made.over,
        "stale": made.stale,
        "measured_at": to_milliseconds(made.measured_at),
        "replayed": made.replayed,
    }


def _settled(done: Settled) -> Form:
    resources = {
        each.resource: {
            "given_back": each.given_back,
            "current": each.current,
            "period": each.period.label,
        }
        for each in done.resources
    }
    return {"replayed": done.replayed, "resources": resources}


def _standing(row: UsageRow) -> Form:
    return {
        "current": row.used,
        "limit": row.limit.units,
        "source": row.limit.source.value,
        "remaining": row.remaining,
        **_period(row.period),
    }


async def _cases(redis: Redis, *, tagged: bool) -> list[dict[str, Form]]:
    return cases_at(await server_time(redis), tagged=tagged)


@pytest.mark.parametrize("tagged", [False, True])
async def test_the_library_does_what_the_vectors_say(
    redis: Redis, redis_server: Valkey, tagged: bool
) -> None:
    """Every case, on each kind of server and in both layouts of keys."""
    base = with_layout(redis_context(redis_server.url), KeyLayout(tagged=tagged))
    cases = await _cases(redis, tagged=tagged)
    wrong = []

    for case in cases:
        await redis.flushdb()
        side = PythonSide(redis, context_of(base, case["resources"]))
        for command in case["given"]:
            await side.does({"redis": command})
        for step in case["steps"] + case["state"]:
            expected = step["reply"] if "redis" in step else step["answer"]
            found = await side.does(step)
            if not fits(expected, found):
                wrong.append((case["name"], step, found))

    assert wrong == []
    assert len(cases) > 125


async def _by_javascript(
    folder: Path, server: Valkey, cases: Sequence[Form], *, tagged: bool, **options: str
) -> None:
    """Run the cases with the JavaScript client; all must be as expected."""
    path = folder / "cases.json"
    path.write_text(json.dumps(cases))
    done = await run_node(
        folder / "run_vectors.mjs",
        {
            "REDIS_URL": server.url,
            "CASES": str(path),
            "TAGGED": str(int(tagged)),
            **options,
        },
    )
    assert (done.code, done.err) == (0, "")
    result: dict[str, Any] = json.loads(done.out)
    assert result["wrong"] == []
    assert result["ran"] == [case["name"] for case in cases]


@pytest.mark.parametrize("tagged", [False, True])
async def test_the_javascript_client_does_what_the_vectors_say(
    redis: Redis, redis_server: Valkey, javascript: Path, tagged: bool
) -> None:
    """The same cases, by a program that knows the contract and nothing of ours."""
    cases = await _cases(redis, tagged=tagged)

    await _by_javascript(javascript, redis_server, cases, tagged=tagged)


@pytest.mark.parametrize("days", [-400, 40])
async def test_a_javascript_client_whose_clock_is_wrong_does_the_same(
    valkey: Valkey, valkey_client: Redis, javascript: Path, days: int
) -> None:
    """Every case once more: the server's clock decides."""
    (javascript / "clock.mjs").write_text(
        f"const now = Date.now; Date.now = () => now() + {days} * 86_400_000;\n"
    )
    cases = await _cases(valkey_client, tagged=False)

    preload = f"--import={javascript / 'clock.mjs'}"
    await _by_javascript(javascript, valkey, cases, tagged=False, NODE_OPTIONS=preload)
