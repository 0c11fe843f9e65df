"""Spooled calls as bytes: what was written is read, what is torn is noticed."""

import struct
import zlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.support.spooled import call

from meterdeck.core.adapters.spool_records import (
    encode,
    encode_unsettled,
    read_calls,
    read_unsettled,
)
from meterdeck.core.model.degraded import SpooledCall, SpooledKind, Unsettled
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.usage import ResourceName, TenantId

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
BYTES_AS_NAMES = st.binary(min_size=1, max_size=40).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
AMOUNTS = st.dictionaries(
    NAMES.map(ResourceName), st.integers(1, LARGEST), min_size=1, max_size=5
)
MOMENTS = st.integers(0, 4_102_444_800_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
CALLS = st.builds(
    SpooledCall,
    call_id=st.from_regex(r"\A[A-Za-z0-9._-]{1,128}\Z"),
    tenant=(NAMES | BYTES_AS_NAMES).map(TenantId),
    amounts=AMOUNTS.map(lambda found: tuple(found.items())),
    at=MOMENTS,
    server_time=st.booleans(),
    sent=st.booleans(),
    kind=st.sampled_from(SpooledKind),
    members=st.lists(st.binary(min_size=1, max_size=20), max_size=3).map(tuple),
    dimensions=st.sampled_from([(), (("a", "1"), ("größe", "xl"))]),
    timestamp=st.none() | MOMENTS,
)


@given(st.lists(CALLS, max_size=5))
def test_what_was_written_is_read(calls: list[SpooledCall]) -> None:
    """Every field, in order, with any name; the frames follow one another."""
    data = b"".join(map(encode, calls))

    placed = list(read_calls(data))

    assert [each.call for each in placed] == calls
    assert [each.begin for each in placed] == [0, *[p.end for p in placed]][:-1]
    assert not placed or placed[-1].end == len(data)


def test_a_tail_torn_at_any_byte_costs_the_last_call_alone() -> None:
    """Whatever was being written when the machine died, the calls before are whole."""
    whole, last = encode(call(1)) + encode(call(2)), encode(call(3))

    for size in range(len(last)):
        found = [each.call for each in read_calls(whole + last[:size])]
        assert found == [call(1), call(2)]


def test_one_changed_byte_costs_one_call() -> None:
    """Reading goes on at the next whole call, wherever the damage is."""
    first, second, third = (encode(call(number)) for number in (1, 2, 3))

    for place in range(len(second)):
        hurt = bytearray(second)
        hurt[place] ^= 0x41
        found = [each.call for each in read_calls(first + bytes(hurt) + third)]
        assert found == [call(1), call(3)]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    """A file that is not ours holds no calls, and no way to stop the program."""
    assert [each.call for each in read_calls(data + encode(call(1)))][-1:] == [call(1)]


def test_a_whole_frame_of_another_program_is_passed_by() -> None:
    """Its checksum is right, its content is not a call."""
    payload = b'{"call":"x"}'
    head = struct.pack("<4sII", encode(call(1))[:4], len(payload), zlib.crc32(payload))

    found = list(read_calls(head + payload + encode(call(2))))

    assert [each.call for each in found] == [call(2)]


@given(CALLS, NAMES)
def test_a_call_that_was_put_aside_keeps_its_reason(
    spooled: SpooledCall, why: str
) -> None:
    """The reason is read with the call."""
    unsettled = Unsettled(spooled, why)

    assert list(read_unsettled(encode_unsettled(unsettled))) == [unsettled]
