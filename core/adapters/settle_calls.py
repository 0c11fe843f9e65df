"""Settling calls as the scripts take it, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from meterdeck.core.adapters.redis_client import (
    Argument,
    Redis,
    from_milliseconds,
)
from meterdeck.core.adapters.scripts import Reply, Script
from meterdeck.core.errors import BadInput, NotFound, Refused
from meterdeck.core.model.decisions import Settled, SettledResource
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.names import name_bytes
from meterdeck.core.model.periods import Period
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import CounterId, ResourceName

_SETTLE = Script("checks", "settle")
_GIVE_BACK = Script("checks", "reserved", "give_back")


class Settling(StrEnum):
    """How a call is settled."""

    RELEASE = "release"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a call took of one resource."""

    resource: str
    label: str
    units: int


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Units that were given back; when the next reservation ends, None for none."""

    units: int
    next_ms: int | None


class SettleScript:
    """Releases and confirms; gives back what expired."""

    def __init__(self, redis: Redis, layout: KeyLayout, retention_ms: int) -> None:
        self._redis = redis
        self._layout = layout
        self._retention_ms = retention_ms

    async def settle(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        amounts: Mapping[str, int] | None,
    ) -> Settled:
        """Settle a call; done at most once, whatever is repeated.

        Two round trips: the first asks what the call took, and where.
        """
        taken = await self._taken(how, tenant, call_id)
        if amounts is not None:
            _check_names(amounts, taken, call_id)
        rest: list[Argument] = []
        for each in taken:
            units = None if amounts is None else _units(how, amounts, each)
            rest += (each.label, "" if units is None else units)
        reply = await self._run(how, tenant, call_id, taken, rest)
        return _settled(call_id, reply)

    async def give_back(self, counter: bytes, found: CounterId) -> GivenBack:
        """Give back the expired reservations of a counter.

        Keeps the index of reservations, but where keys are tagged.
        """
        layout = self._layout
        keys = [counter, layout.reserved(found.tenant, found.resource, found.period)]
        if not layout.tagged:
            keys += [layout.reserving(), layout.sequence(), layout.changed()]
        arguments = [name_bytes(found.tenant), 0 if layout.tagged else 1]
        what = "giving back reservations"
        reply = await _GIVE_BACK.run(
            self._redis, keys, arguments, what=what, operation_id=""
        )
        return GivenBack(int(reply[2]), int(reply[4]) if reply[4] else None)

    async def _taken(
        self, how: Settling, tenant: str, call_id: str
    ) -> Sequence[_Taken]:
        reply = await self._run(how, tenant, call_id, (), [])
        return [
            _Taken(reply[at].decode(), reply[at + 1].decode(), int(reply[at + 2]))
            for at in range(1, len(reply), 3)
        ]

    async def _run(
        self,
        how: Settling,
        tenant: str,
        call_id: str,
        taken: Sequence[_Taken],
        rest: Sequence[Argument],
    ) -> Reply:
        layout = self._layout
        keys = [layout.call(tenant, call_id), layout.settled(tenant, call_id)]
        if not layout.tagged:
            keys += [layout.sequence(), layout.changed()]
        for each in taken:
            for name in _BESIDE:
                keys.append(name(layout, tenant, each.resource, each.label))
        arguments: list[Argument] = [
            how.value,
            0 if layout.tagged else 1,
            name_bytes(tenant),
            call_id,
            self._retention_ms,
            len(taken),
            *rest,
        ]
        reply = await _SETTLE.run(
            self._redis, keys, arguments, what=f"the {how}", operation_id=call_id
        )
        _check(reply, how, call_id)
        return reply


_BESIDE: tuple[Callable[[KeyLayout, str, str, str], bytes], ...] = (
    KeyLayout.counter,
    KeyLayout.reserved,
    KeyLayout.beyond,
)


def _units(how: Settling, amounts: Mapping[str, int], taken: _Taken) -> int | None:
    if taken.resource in amounts:
        return amounts[taken.resource]
    return 0 if how is Settling.RELEASE else None


def _check_names(
    amounts: Mapping[str, int], taken: Sequence[_Taken], call_id: str
) -> None:
    known = [each.resource for each in taken]
    for name, units in amounts.items():
        if name not in known:
            raise BadInput(
                f"call {call_id} took no {visible(name)}; it took: {', '.join(known)}"
            )
        if type(units) is not int or units < 0:
            raise BadInput(
                f"{units!r} {visible(name)} is no amount; write a whole number"
            )


def _check(reply: Reply, how: Settling, call_id: str) -> None:
    match reply[0]:
        case b"unknown":
            raise NotFound(
                f"nothing is known of call {call_id}: there was none with this id,"
                " or it was too long ago"
            )
        case b"nothing":
            raise NotFound(f"call {call_id} was refused; there is nothing to {how}")
        case b"other":
            words = {b"set_gauge": "read a level", b"count_unique": "counted members"}
            did = words.get(reply[1], "did something else")
            raise Refused(f"call {call_id} {did}; there is nothing to {how}")
        case b"plain":
            raise Refused(f"call {call_id} is no reservation; it is final already")
        case b"expired":
            raise NotFound(
                f"reservation {call_id} has expired; its units were given back"
            )
        case b"settled":
            ways = {b"release": "released", b"confirm": "confirmed"}
            done = ways.get(reply[1], "settled")
            raise Refused(
                f"call {call_id} was {done} before, in another way; nothing was changed"
            )


def _settled(call_id: str, reply: Reply) -> Settled:
    resources = []
    for at in range(2, len(reply), 6):
        name, back, current, start, end, label = reply[at : at + 6]
        period = Period(
            from_milliseconds(int(start)), from_milliseconds(int(end)), label.decode()
        )
        resource = ResourceName(name.decode())
        resources.append(SettledResource(resource, int(back), int(current), period))
    return Settled(call_id, tuple(resources), reply[1] == b"1")
