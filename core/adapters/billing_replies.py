"""What the scripts of billing records answer, and what such a record holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from meterdeck.core.adapters.redis_client import from_milliseconds
from meterdeck.core.model.delivery import (
    BillingRecord,
    Claim,
    NoClaim,
    NotClaimed,
)
from meterdeck.core.model.events import MeterEvent
from meterdeck.core.model.holding import holding
from meterdeck.core.model.names import name_text
from meterdeck.core.model.quantity import format_quantity, parse_counter
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId

_ENDING = b":"


def read_answer(counter: CounterId, answer: Sequence[bytes]) -> Claim | NoClaim:
    """Read what claim answers of one counter."""
    word = answer[0].decode()
    match word:
        case "claimed":
            return _claim(counter, answer)
        case "expired":
            claim = _claim(counter, answer)
            return NoClaim(counter, NotClaimed.EXPIRED, units=claim.units, claim=claim)
        case "broken":
            key, holds = answer[1], holding(answer[2].decode(), answer[3])
            return _broken(counter, key, f"{holds}, not a whole number")
        case "foreign":
            holds = f"{holding(answer[2].decode())}, not {answer[3].decode()}"
            return _broken(counter, answer[1], holds)
        case _:
            again_at = from_milliseconds(int(answer[1])) if answer[1] else None
            return NoClaim(counter, NotClaimed(word), again_at, int(answer[2]))


def read_record(
    counter: CounterId,
    used: object,
    fields: object,
    reservations: object,
) -> BillingRecord:
    """Read a billing record; what makes no sense in it is taken for missing.

    Args:
        used, fields, reservations: Replies to GET, HGETALL and ZRANGEBYSCORE, which may
            be errors.
    """
    counted = _counted(used)
    found = _Fields(fields if isinstance(fields, dict) else {})
    return BillingRecord(
        counter,
        used=counted,
        reserved=min(_reserved(reservations), max(0, counted or 0)),
        offset=found.number("offset"),
        reported=found.number("reported"),
        parked=found.number("parked"),
        claim=found.claim(counter),
        sequence=found.number("seq"),
        last_claim_at=found.moment("sent_at"),
        confirmed=found.optional("confirmed"),
        confirmed_at=found.moment("confirmed_at"),
        confirmed_sequence=found.number("confirmed_seq"),
        level=found.text("level"),
    )


class _Fields:
    """The fields of a record."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        return name_text(self._fields.get(name.encode(), b""))

    def optional(self, name: str) -> int | None:
        raw = self._fields.get(name.encode())
        return None if raw is None else parse_counter(raw)

    def number(self, name: str) -> int:
        return self.optional(name) or 0

    def moment(self, name: str) -> datetime | None:
        value = self.number(name)
        return from_milliseconds(value) if value > 0 else None

    def claim(self, counter: CounterId) -> Claim | None:
        identifier = self.text("in_flight")
        if not identifier:
            return None
        units, scale = self.number("units"), self.number("scale")
        event = MeterEvent(
            event_name=self.text("event_name"),
            identifier=identifier,
            customer=self.text("customer"),
            value=format_quantity(units, scale),
            timestamp=from_milliseconds(self.number("timestamp") * 1000),
        )
        claimed_at = from_milliseconds(self.number("claimed_at"))
        number = self.number("seq")
        return Claim(
            counter,
            event,
            units,
            scale,
            number,
            claimed_at,
            fresh=False,
            maybe_sent=self.text("worker") != "" or self.text("maybe_sent") == "1",
        )


def _claim(counter: CounterId, answer: Sequence[bytes]) -> Claim:
    (
        _,
        fresh,
        identifier,
        units,
        scale,
        number,
        second,
        claimed,
        customer,
        name,
        lost,
    ) = answer
    event = MeterEvent(
        event_name=name_text(name),
        identifier=identifier.decode(),
        customer=name_text(customer),
        value=format_quantity(int(units), int(scale)),
        timestamp=from_milliseconds(int(second) * 1000),
    )
    return Claim(
        counter,
        event,
        units=int(units),
        scale=int(scale),
        sequence=int(number),
        claimed_at=from_milliseconds(int(claimed)),
        fresh=fresh == b"1",
        maybe_sent=lost == b"1",
    )


def _broken(counter: CounterId, key: bytes, holds: str) -> NoClaim:
    message = f"{visible(name_text(key))} holds {holds}"
    return NoClaim(counter, NotClaimed.BROKEN, message=message)


def _counted(reply: object) -> int | None:
    return parse_counter(reply) if isinstance(reply, bytes) else None


def _reserved(reply: object) -> int:
    if not isinstance(reply, list):
        return 0
    return sum(parse_counter(each.rpartition(_ENDING)[2]) or 0 for each in reply)
