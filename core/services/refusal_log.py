"""The refusals of a tenant, as the scripts wrote them down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from meterdeck.core.adapters.redis_client import (
    Redis,
    from_milliseconds,
    redis_errors,
)
from meterdeck.core.errors import BadInput, RedisRefused, Refused
from meterdeck.core.model.context import Context
from meterdeck.core.model.decisions import Refusal, RefusalRecord
from meterdeck.core.model.names import check_tenant, name_text
from meterdeck.core.model.periods import Period
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import LimitSource, ResourceName


class RefusalLog:
    """Reads the records of refusals: the latest 1,000 of a tenant, about.

    At most 32 of one second of the server's clock are written down. They go when the
    tenant was not refused for 35 days.
    """

    def __init__(self, redis: Redis, context: Context) -> None:
        self._redis = redis
        self._layout = context.redis.layout

    async def latest(self, tenant: str, count: int) -> tuple[RefusalRecord, ...]:
        """Return the latest, newest first; what is no record is left out.

        Raises:
            BadInput: The name cannot be a tenant's, or `count` is not positive.
            Refused: The key holds something else.
            RedisUnreachable, RedisRefused: It could not be read.
        """
        if count < 1:
            raise BadInput(f"{count} refusals cannot be read; ask for 1 or more")
        key = self._layout.refusals(check_tenant(tenant, tagged=self._layout.tagged))
        try:
            with redis_errors():
                found = await self._redis.xrevrange(key, count=count)
        except RedisRefused as error:
            if "WRONGTYPE" not in str(error):
                raise
            name = visible(name_text(key))
            raise Refused(f"{name} does not hold a tenant's refusals") from error
        rows = cast("list[tuple[bytes, Mapping[bytes, bytes]]]", found)
        records = (_record(fields) for _, fields in rows)
        return tuple(each for each in records if each is not None)


def _record(fields: Mapping[bytes, bytes]) -> RefusalRecord | None:
    try:
        period = Period(
            from_milliseconds(int(fields[b"start"])),
            from_milliseconds(int(fields[b"end"])),
            name_text(fields[b"period"]),
        )
        return RefusalRecord(
            at=from_milliseconds(int(fields[b"at"])),
            resource=ResourceName(name_text(fields[b"resource"])),
            reason=Refusal(name_text(fields[b"reason"])),
            before=int(fields[b"before"]),
            cost=int(fields[b"cost"]),
            limit=int(fields[b"limit"]),
            source=LimitSource(name_text(fields[b"source"])),
            period=period,
            call_id=name_text(fields[b"call"]),
        )
    except (KeyError, ValueError, OverflowError):
        return None
