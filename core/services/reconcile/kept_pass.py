"""The workers' last reconciliation, kept in Redis for whoever looks later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from meterdeck.core.adapters.redis_client import (
    Redis,
    execute_write,
    from_milliseconds,
    redis_errors,
    to_milliseconds,
)
from meterdeck.core.model.drift import Drifted, LastPass, causes_of
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.reconciliation import Cause, Share
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

_FIELD = "last_pass"


@dataclass(frozen=True, slots=True)
class KeptPass:
    """Writes and reads it, in the hash that all workers share."""

    redis: Redis
    layout: KeyLayout

    async def keep(self, found: LastPass) -> None:
        """Keep a pass in place of the one before.

        Raises:
            RedisUnreachable, RedisRefused, UnknownOutcome: As in `execute_write`.
        """
        await execute_write(
            self.redis,
            *("HSET", self.layout.syncing(), _FIELD, json.dumps(_form(found))),
            what="what the reconciliation found",
            operation_id=_FIELD,
        )

    async def read(self) -> LastPass | None:
        """Return the last one; None before the first.

        Raises:
            RedisUnreachable, RedisRefused: As in `redis_errors`.
        """
        with redis_errors():
            raw = await self.redis.hget(self.layout.syncing(), _FIELD)
        return read_pass(raw)


def read_pass(raw: object) -> LastPass | None:
    """Return what the field's value says; None where it is none of ours."""
    if not isinstance(raw, bytes):
        return None
    try:
        return _read(json.loads(raw))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _form(found: LastPass) -> dict[str, object]:
    return {
        "at": to_milliseconds(found.at),
        "by": found.by,
        "took_s": round(found.took_s, 1),
        "everything": found.everything,
        "compared": found.compared,
        "unchanged": found.unchanged,
        "not_compared": found.unasked,
        "settled": found.settled,
        "more": found.more,
        "since": None if found.since is None else to_milliseconds(found.since),
        "rows": [_row_form(each) for each in found.rows],
        "drift": [[cause.value, str(units)] for cause, units in found.drift.items()],
    }


def _row_form(row: Drifted) -> list[object]:
    counter = row.counter
    return [
        *(counter.tenant, counter.resource, counter.period),
        *(row.used, row.reported, str(row.stripe)),
        [[each.cause.value, str(each.units)] for each in row.shares],
        row.held,
        row.settles,
    ]


def _read(said: Mapping[str, Any]) -> LastPass:
    since = said["since"]
    rows = tuple(_row(each) for each in said["rows"])
    # A worker of an earlier version does not write the sums: the worst rows' are told.
    sums = said.get("drift")
    return LastPass(
        at=from_milliseconds(int(said["at"])),
        by=str(said["by"]),
        took_s=float(said["took_s"]),
        everything=bool(said["everything"]),
        compared=int(said["compared"]),
        unchanged=int(said["unchanged"]),
        unasked=int(said["not_compared"]),
        settled=int(said["settled"]),
        rows=rows,
        more=int(said["more"]),
        since=_moment(since),
        drift=causes_of(rows) if sums is None else _sums(sums),
    )


def _moment(value: Any) -> datetime | None:
    return None if value is None else from_milliseconds(int(value))


def _sums(said: list[Any]) -> dict[Cause, Decimal]:
    return {Cause(cause): _exact(units) for cause, units in said}


def _row(said: list[Any]) -> Drifted:
    tenant, resource, period, used, reported, stripe, shares, held, settles = said
    return Drifted(
        CounterId(TenantId(tenant), ResourceName(resource), str(period)),
        None if used is None else int(used),
        int(reported),
        _exact(stripe),
        tuple(Share(Cause(cause), _exact(units)) for cause, units in shares),
        str(held),
        bool(settles),
    )


def _exact(text: object) -> Decimal:
    try:
        return Decimal(str(text))
    except InvalidOperation as error:
        raise ValueError(text) from error
