"""How a spooled call is written: framed, so that whatever is torn is noticed.

A frame is a mark, the length and the CRC-32 of the payload, and the payload: ASCII
JSON, in which the mark's first byte never occurs. After damage reading goes on at the
next mark that begins a whole frame.
"""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from meterdeck.core.model.degraded import SpooledCall, SpooledKind, Unsettled
from meterdeck.core.model.usage import ResourceName, TenantId

_MARK = b"\xf5md1"
_HEAD = struct.Struct("<4sII")
_LONGEST = 2**20  # a thousand of the longest members
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Placed:
    """A call and the offsets where its frame begins and ends."""

    call: SpooledCall
    begin: int
    end: int


def encode(call: SpooledCall) -> bytes:
    """Return the frame of a call."""
    return _frame(_form(call))


def encode_unsettled(unsettled: Unsettled) -> bytes:
    """Return the frame of a call that was put aside."""
    return _frame({**_form(unsettled.call), "why": unsettled.why[:1000]})


def read_calls(data: bytes, start: int = 0) -> Iterator[Placed]:
    """Yield the whole calls of a file from `start` on; what is damaged is passed by."""
    for form, begin, end in _frames(data, start):
        if (call := _call(form)) is not None:
            yield Placed(call, begin, end)


def read_unsettled(data: bytes) -> Iterator[Unsettled]:
    """Yield the calls of a file that were put aside."""
    for form, _, _ in _frames(data, 0):
        if (call := _call(form)) is not None:
            yield Unsettled(call, str(form.get("why", "")))


def _frame(form: dict[str, Any]) -> bytes:
    payload = json.dumps(form, separators=(",", ":")).encode("ascii")
    return _HEAD.pack(_MARK, len(payload), zlib.crc32(payload)) + payload


def _frames(data: bytes, start: int) -> Iterator[tuple[dict[str, Any], int, int]]:
    at = data.find(_MARK, start)
    while at >= 0:
        payload = _payload(data, at)
        if payload is None:
            at = data.find(_MARK, at + 1)
            continue
        end = at + _HEAD.size + len(payload)
        yield json.loads(payload), at, end
        at = data.find(_MARK, end)


def _payload(data: bytes, at: int) -> bytes | None:
    if at + _HEAD.size > len(data):
        return None
    _, length, check = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size
    payload = data[begin : begin + length] if length <= _LONGEST else b""
    if len(payload) != length or zlib.crc32(payload) != check:
        return None
    return payload


def _form(call: SpooledCall) -> dict[str, Any]:
    # Left out where it is the usual, as in the spools of earlier versions.
    kind: dict[str, Any] = {}
    if call.kind is not SpooledKind.USE:
        kind["kind"] = call.kind.value
    if call.members:
        kind["members"] = [b64encode(each).decode() for each in call.members]
    if call.dimensions:
        kind["dimensions"] = call.dimensions
    if call.timestamp is not None:
        kind["used_ms"] = (call.timestamp - _EPOCH) // timedelta(milliseconds=1)
    return {
        "call": call.call_id,
        "tenant": call.tenant,
        "amounts": call.amounts,
        "ms": (call.at - _EPOCH) // timedelta(milliseconds=1),
        "server": call.server_time,
        "sent": call.sent,
        **kind,
    }


def _call(form: dict[str, Any]) -> SpooledCall | None:
    try:
        return SpooledCall(
            call_id=form["call"],
            tenant=TenantId(form["tenant"]),
            amounts=tuple((ResourceName(name), int(n)) for name, n in form["amounts"]),
            at=_EPOCH + timedelta(milliseconds=form["ms"]),
            server_time=bool(form["server"]),
            sent=bool(form["sent"]),
            kind=SpooledKind(form.get("kind", SpooledKind.USE)),
            members=tuple(b64decode(each) for each in form.get("members", ())),
            dimensions=tuple((str(n), str(v)) for n, v in form.get("dimensions", ())),
            timestamp=_used_at(form.get("used_ms")),
        )
    except (KeyError, TypeError, ValueError):
        return None  # whole, and not written by this program


def _used_at(ms: int | None) -> datetime | None:
    return None if ms is None else _EPOCH + timedelta(milliseconds=ms)
