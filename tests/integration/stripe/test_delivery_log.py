"""The delivery log keeps the newest lines and passes over what is none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.contexts import redis_context

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.newest_events import newest_events

KEY = KeyLayout().events()
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
HOSTILE = "[red]\x1b[2J\r\n\u202e🦀\x00"


@pytest.fixture
def log(valkey_client: Redis) -> DeliveryLog:
    """A log on an empty server."""
    return DeliveryLog(valkey_client, redis_context("redis://127.0.0.1"))


def line(identifier: str, message: str = "", tenant: str = "acme") -> LoggedEvent:
    """Return a line to append."""
    return LoggedEvent(
        id="",
        at=AT,
        source=EventSource.WORKER,
        outcome=EventOutcome.REFUSED,
        tenant=TenantId(tenant),
        resource=ResourceName("api_calls"),
        event=MeterEvent("api_requests", identifier, "cus_1", "-1.25", AT),
        message=message,
        request_id="req_1",
        latency_ms=12,
    )


def identifiers(lines: tuple[LoggedEvent, ...]) -> list[str]:
    """Return the identifiers of these lines."""
    return [found.event.identifier for found in lines]


async def test_a_line_comes_back_as_it_was_written(log: DeliveryLog) -> None:
    """Every field, whatever it holds; id and time are the server's."""
    written = line("id-1", HOSTILE, tenant=HOSTILE)

    line_id = await log.append(written)

    (found,) = await log.latest(10)
    assert found.id == line_id
    assert abs((found.at - datetime.now(UTC)).total_seconds()) < 60
    assert found.event == written.event
    assert (found.tenant, found.message) == (HOSTILE, HOSTILE)
    assert (found.source, found.outcome) == (written.source, written.outcome)
    assert (found.resource, found.request_id, found.latency_ms) == (
        "api_calls",
        "req_1",
        12,
    )


async def test_lines_are_read_from_the_end_and_from_a_place(log: DeliveryLog) -> None:
    """Oldest first in every answer; `after` leaves out the line it is given."""
    ids = [await log.append(line(f"id-{number}")) for number in range(5)]

    assert identifiers(await log.latest(2)) == ["id-3", "id-4"]
    assert identifiers(await log.after(ids[1], 2)) == ["id-2", "id-3"]
    assert identifiers(await log.after("", 1)) == ["id-0"]
    assert await log.after(ids[4], 10) == ()
    assert await log.latest(0) == ()


async def test_an_empty_log_is_empty(log: DeliveryLog) -> None:
    """No stream yet is no error."""
    assert await log.latest(5) == ()
    assert await log.after("", 5) == ()


async def test_foreign_entries_are_passed_over(
    log: DeliveryLog, valkey_client: Redis
) -> None:
    """Garbage between the lines hides none of them, however much there is."""
    first = await log.append(line("first"))
    async with valkey_client.pipeline(transaction=False) as pipe:
        for number in range(700):
            pipe.xadd(KEY, {"x": number})
        pipe.xadd(KEY, {"source": "worker", "outcome": "accepted"})
        pipe.xadd(KEY, {"source": "worker", "outcome": "odd", "timestamp": "1"})
        pipe.xadd(KEY, {b"\xff": b"\xfe", "timestamp": "1e400"})
        await pipe.execute()
    await log.append(line("second"))
    await valkey_client.xadd(KEY, {"y": 1})

    assert identifiers(await log.latest(2)) == ["first", "second"]
    assert identifiers(await log.after(first, 1)) == ["second"]


async def test_an_id_beyond_the_calendar_is_passed_over(
    log: DeliveryLog, valkey_client: Redis
) -> None:
    """Anybody may write an id of the far future; reading goes on."""
    await log.append(line("ours"))
    await valkey_client.xadd(
        KEY,
        {"source": "test", "outcome": "accepted", "timestamp": "1"},
        id="18446744073709551614-1",
    )

    assert identifiers(await log.latest(5)) == ["ours"]


async def test_fields_that_make_no_sense_are_left_empty(
    log: DeliveryLog, valkey_client: Redis
) -> None:
    """A line of ours with a broken number is still a line."""
    await valkey_client.xadd(
        KEY,
        {
            "source": "test",
            "outcome": "accepted",
            "timestamp": "1",
            "latency_ms": "-9e9",
        },
    )

    (found,) = await log.latest(1)

    assert (found.latency_ms, found.tenant, found.message) == (0, "", "")


async def test_the_log_is_capped(log: DeliveryLog, valkey_client: Redis) -> None:
    """10,000 lines are kept, and the rest of one node of the stream."""
    async with valkey_client.pipeline(transaction=False) as pipe:
        for number in range(10_500):
            pipe.xadd(KEY, {"x": number})
        await pipe.execute()

    await log.append(line("newest"))

    assert 10_000 <= await valkey_client.xlen(KEY) <= 10_200
    assert identifiers(await log.latest(1)) == ["newest"]


async def test_long_messages_are_cut(log: DeliveryLog) -> None:
    """What Stripe or a proxy says cannot fill the log."""
    await log.append(line("id-1", "x" * 100_000))

    assert len((await log.latest(1))[0].message) == 500


async def test_a_key_of_another_type_is_a_sentence(
    log: DeliveryLog, valkey_client: Redis
) -> None:
    """Writing and reading are refused; the foreign value stays."""
    await valkey_client.set(KEY, "mine")

    with pytest.raises(RedisRefused):
        await log.append(line("id-1"))
    with pytest.raises(RedisRefused):
        await log.latest(1)

    assert await valkey_client.get(KEY) == b"mine"


async def test_the_newest_event_of_each_name_is_found(log: DeliveryLog) -> None:
    """As far back as the log is looked through, and no further."""
    for number, name in enumerate(["images", *["api_requests"] * 501]):
        written = line(f"id-{number}")
        event = replace(written.event, event_name=name)
        await log.append(replace(written, event=event))

    whole = await newest_events(log)
    end = await newest_events(log, at_most=500)

    assert {name: line.event.identifier for name, line in whole.items()} == {
        "api_requests": "id-501",
        "images": "id-0",
    }
    assert set(end) == {"api_requests"}
