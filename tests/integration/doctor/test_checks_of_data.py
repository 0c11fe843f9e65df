"""What the doctor finds in the counters, the trail and the spool, each alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.doctor.conftest import Ward, counter
from tests.support.spooled import call

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import open_root, put_aside
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.context import LibraryOptions
from meterdeck.core.model.degraded import Unsettled
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.services.operator_changes import OperatorChanges

ANA = Actor("ana", "local")


@pytest.mark.parametrize(
    "name",
    [
        "usage:{{acme}}:api_calls:{month}",
        "quota/acme/api_calls/{month}",
        "{month}:api_calls:acme",
    ],
)
async def test_counters_of_another_layout_are_found(ward: Ward, name: str) -> None:
    """Their names say that somebody counts where nobody looks."""
    stranger = name.format(month=calendar_month(datetime.now(UTC)).label)
    ward.count(stranger)
    found = await ward.only("layout")
    assert stranger in found.found

    ward.store.delete(stranger)
    assert await ward.wrong() == {}


async def test_a_counter_that_never_expires_is_found(ward: Ward) -> None:
    """Trap D2: an EXPIRE that never ran."""
    ward.store.persist(counter("acme"))
    found = await ward.only("expiry")
    assert found.severity is Severity.WARNING
    assert f"1 of 1 counters never expire: {counter('acme')}" in found.found

    ward.store.expire(counter("acme"), 3_024_000)
    assert await ward.wrong() == {}


async def test_a_counter_that_ends_before_its_period_is_found(ward: Ward) -> None:
    """It would begin again at 0 in mid-period."""
    ward.store.expire(counter("acme"), 1)
    ward.store.pexpireat(counter("acme"), _in(timedelta(seconds=30)))
    now = datetime.now(UTC)
    assert calendar_month(now).end - now > timedelta(seconds=60)
    assert (await ward.only("expiry")).severity is Severity.FAULT

    ward.store.expire(counter("acme"), 3_024_000)
    assert await ward.wrong() == {}


async def test_a_counter_that_is_kept_for_years_is_found(ward: Ward) -> None:
    """Seconds where milliseconds were meant, or the other way round."""
    ward.store.expire(counter("acme"), 3_024_000_000)
    assert "last too long" in (await ward.only("expiry")).found

    ward.store.expire(counter("acme"), 3_024_000)
    assert await ward.wrong() == {}


async def test_a_billing_cycle_has_its_own_end(ward: Ward) -> None:
    """Thirty days are enough for a month that ends tomorrow, and not for this one."""
    anchor = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    entry = {"anchor": int(anchor.timestamp()), "interval": "year"}
    ward.store.hset("meterdeck:tenant:acme", mapping=entry)
    ward.store.sadd("meterdeck:tenants", "acme")
    ward.count(f"usage:acme:seats:{anchor:%Y-%m-%d}")

    found = await ward.only("expiry")
    assert "end before their period: usage:acme:seats" in found.found

    ward.store.hset("meterdeck:tenant:acme", "interval", "week")
    assert await ward.wrong() == {}


@pytest.mark.parametrize("kind", ["text", "list", "float"])
async def test_a_counter_that_holds_no_number_is_found(ward: Ward, kind: str) -> None:
    """Every script refuses it, and so every call."""
    key = counter("broken")
    if kind == "list":
        ward.store.rpush(key, "1")
    else:
        ward.store.set(key, "12.5" if kind == "float" else "abc")
    ward.store.expire(key, 3_024_000)
    found = await ward.only("values")
    assert found.severity is Severity.FAULT
    assert f"{key} holds" in found.found

    ward.store.delete(key)
    assert await ward.wrong() == {}


async def test_an_override_without_an_end_is_found_where_the_policy_wants_one(
    ward: Ward,
) -> None:
    """It was set before the policy, or by something else."""
    client = open_redis(ward.context.redis)
    try:
        ward.context = replace(ward.context, override_needs_expiry=False)
        changes = OperatorChanges(client, ward.context)
        await changes.set_override(
            "acme", "api_calls", 9, expires_at=None, actor=ANA, reason="x",
            operation_id="one",
        )  # fmt: skip
        assert await ward.wrong() == {}

        ward.context = replace(ward.context, override_needs_expiry=True)
        assert "acme api_calls" in (await ward.only("overrides")).found

        await changes.clear_override(
            "acme", "api_calls", actor=ANA, reason="x", operation_id="two"
        )
        assert await ward.wrong() == {}
    finally:
        await client.aclose()


async def test_an_altered_audit_trail_is_found(ward: Ward) -> None:
    """The one altered is among the latest; with --all an old one is found as well."""
    client = open_redis(ward.context.redis)
    try:
        changes = OperatorChanges(client, ward.context)
        for number in range(22):
            wish = Adjustment(
                TenantId(f"t{number}"), ResourceName("api_calls"), AdjustKind.ADD, 1,
                None, Bill.QUOTA_ONLY, "credit",
            )  # fmt: skip
            await changes.adjust(wish, actor=ANA, operation_id=f"op{number}")
    finally:
        await client.aclose()
    assert await ward.wrong() == {}

    trail, whole = "meterdeck:audit:t0", ward.store.dump("meterdeck:audit:t0")
    ((place, fields),) = ward.store.xrange(trail)
    ward.store.delete(trail)
    ward.store.xadd(trail, {**fields, b"actor": b"bob"}, id=place)
    assert await ward.wrong() == {}
    ward.whole = True
    assert (await ward.only("audit")).severity is Severity.FAULT

    assert whole is not None
    ward.store.restore(trail, 0, whole, replace=True)
    assert await ward.wrong() == {}


async def test_a_full_spool_is_found(ward: Ward) -> None:
    """What does not fit is refused, though its resource fails open."""
    open_root(ward.places.spool)
    folder = SpoolFolder.create(ward.places.spool)
    folder.append(encode(call(1)))
    try:
        ward.context = replace(
            ward.context, library=LibraryOptions(spool_bytes=folder.size)
        )
        found = await ward.only("spool")
        assert found.severity is Severity.FAULT
        assert "full, 100 %" in found.found
    finally:
        folder.close()


async def test_calls_that_wait_while_redis_answers_are_found(ward: Ward) -> None:
    """A process that lives should have told them long ago."""
    open_root(ward.places.spool)
    folder = SpoolFolder.create(ward.places.spool)
    folder.append(encode(call(1)))
    try:
        assert "1 calls in" in (await ward.only("spool")).found
        folder.counted(folder.next_batch(1).ends[-1])
        assert await ward.wrong() == {}
    finally:
        folder.close()


async def test_calls_put_aside_for_an_operator_are_found(ward: Ward) -> None:
    """Only a person can say what becomes of them."""
    open_root(ward.places.spool)
    put_aside(ward.places.spool, Unsettled(call(3), "would pass 2^53"))
    assert "1 calls were put aside" in (await ward.only("spool")).found


def _in(left: timedelta) -> int:
    return int((datetime.now(UTC) + left).timestamp() * 1000)
