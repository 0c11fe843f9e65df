"""Who is charged how much for a request, and counting it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from inspect import isawaitable
from typing import Protocol, TypeVar, runtime_checkable
from uuid import uuid4

from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.middleware.faults import Faults, is_unknown
from meterdeck.core.middleware.tally import Tally
from meterdeck.core.model.decisions import Decision
from meterdeck.core.model.degraded import Counting, Degraded
from meterdeck.core.model.names import check_id, check_tenant
from meterdeck.core.model.quantity import LARGEST

_T = TypeVar("_T")


@runtime_checkable
class CountsUsage(Protocol):
    """Whatever counts: a `MeterClient`, or an engine's `usage`."""

    async def consume(
        self, tenant: str, amounts: Mapping[str, int], *, call_id: str | None = None
    ) -> Decision | Degraded:
        """Check every limit and count: all of `amounts`, or nothing."""
        ...


@runtime_checkable
class GivesBack(CountsUsage, Protocol):
    """What counts and takes back, as both of those do."""

    async def release(self, tenant: str, call_id: str) -> object:
        """Give back what a call took, once."""
        ...


@runtime_checkable
class ChecksResources(Protocol):
    """What knows its resources, as a `MeterClient` does."""

    def check_consumable(self, resource: str) -> None:
        """Accept a resource that `consume` counts."""
        ...


Rule = Callable[[Exchange], _T | Awaitable[_T]]
"""The application's callable, plain or async."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The application's answers to: who, what, how much, which call.

    Attributes:
        tenant: None or an empty name is nobody.
        resource: None counts nothing.
        cost: 0 counts nothing.
        call_id: None counts every request, also a repeated one.
    """

    tenant: Rule[str | None]
    resource: Rule[str | None]
    cost: Rule[int]
    call_id: Rule[str | None]


def constant(value: _T) -> Rule[_T]:
    """Return the rule that gives `value` for every request."""

    def rule(exchange: Exchange) -> _T:
        return value

    return rule


class Uncounted(Enum):
    """Why a request was not counted."""

    FREE = "free"
    NO_TENANT = "no tenant"
    FAULT = "fault"
    LOST = "lost"
    """A fault after which it may have been counted all the same."""
    SPOOLED = "spooled"
    """The client allowed it and will have it counted."""
    UNAVAILABLE = "unavailable"
    """The client refused it for a fault, as the resource's settings say."""
    UNCLEAR = "unclear"
    """As UNAVAILABLE, and it may have been counted all the same."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A request that was asked about: by whom, for how much, and the answer."""

    tenant: str
    cost: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Charge:
    """What a request took, to be given back if its work fails.

    Attributes:
        certain: Whether it surely was counted, or will be.
    """

    tenant: str
    call_id: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking; `charge` only where it can be given back."""

    outcome: Settled | Uncounted
    charge: Charge | None = None


class Charging:
    """Asks the application's rules about a request and counts it. Never raises.

    With `returnable`, requests that bring no id get one of ours, by which what they
    took can be given back. Those that bring one do not: their repeat is free, as they
    are paid for already.
    """

    def __init__(
        self,
        usage: Callable[[], CountsUsage],
        rules: Rules,
        faults: Faults,
        tally: Tally,
        *,
        returnable: bool = False,
    ) -> None:
        self._returnable = returnable
        self._usage = usage
        self._rules = rules
        self._faults = faults
        self._tally = tally

    async def settle(self, exchange: Exchange, deadline_s: float) -> Asked:
        """Count `exchange`, or say why not.

        Waits for the counter at most `deadline_s` seconds; the application's own
        callables are not hurried.
        """
        try:
            resource = _name(await _ask(self._rules.resource, exchange))
            tenant = (
                _name(await _ask(self._rules.tenant, exchange)) if resource else None
            )
        except Exception as error:  # the application's own code
            self._faults.rule_failed("tenant or resource", error)
            self._tally.faults += 1
            return Asked(Uncounted.FAULT)
        if not resource:
            return Asked(Uncounted.FREE)
        if not tenant or not _is_tenant(tenant):
            self._tally.no_tenant += 1
            return Asked(Uncounted.NO_TENANT)
        cost = await self._cost(exchange)
        if not cost:
            return Asked(Uncounted.FREE)
        return await self._charge(exchange, tenant, {resource: cost}, deadline_s)

    async def _charge(
        self,
        exchange: Exchange,
        tenant: str,
        amounts: Mapping[str, int],
        deadline_s: float,
    ) -> Asked:
        call_id = await self._call_id(exchange)
        own = uuid4().hex if self._returnable and call_id is None else ""
        answer = await self._answer(tenant, amounts, call_id or own or None, deadline_s)
        if isinstance(answer, Uncounted):
            certain = answer is Uncounted.SPOOLED
            taken = certain or answer in (Uncounted.LOST, Uncounted.UNCLEAR)
            charge = Charge(tenant, own, certain) if own and taken else None
            return Asked(answer, charge)
        charge = Charge(tenant, own, True) if own and answer.allowed else None
        return Asked(Settled(tenant, sum(amounts.values()), answer), charge)

    async def _answer(
        self,
        tenant: str,
        amounts: Mapping[str, int],
        call_id: str | None,
        deadline_s: float,
    ) -> Decision | Uncounted:
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self._consume(tenant, amounts, call_id)
        except Exception as error:  # none may become a 500
            self._faults.failed(error)
            return Uncounted.LOST if is_unknown(error) else Uncounted.FAULT
        if isinstance(answer, Degraded):
            return self._degraded(answer)
        self._faults.answered()
        return answer

    def _degraded(self, answer: Degraded) -> Uncounted:
        self._faults.degraded(answer.detail)
        if answer.allowed:
            self._tally.spooled += 1
            return Uncounted.SPOOLED
        self._tally.faults += 1
        if answer.counting is not Counting.UNKNOWN:
            return Uncounted.UNAVAILABLE
        self._tally.unknown += 1
        return Uncounted.UNCLEAR

    async def _consume(
        self, tenant: str, amounts: Mapping[str, int], call_id: str | None
    ) -> Decision | Degraded:
        usage = self._usage()
        try:
            return await usage.consume(tenant, amounts, call_id=call_id)
        except Refused as error:
            # An id that stands for another call already is the client's mistake;
            # it must not make the request free, so it counts as one without an id.
            if call_id is None or type(error) is not Refused:
                raise
            return await usage.consume(tenant, amounts)

    async def _cost(self, exchange: Exchange) -> int:
        """Return the units; 1 where the rule fails, so that nothing is free by it."""
        try:
            cost = await _ask(self._rules.cost, exchange)
            check_cost(cost)
        except Exception as error:  # the application's own code
            self._faults.rule_failed("cost", error)
            return 1
        else:
            return cost

    async def _call_id(self, exchange: Exchange) -> str | None:
        """Return an id that can be one; None where there is none or the rule fails."""
        try:
            given = await _ask(self._rules.call_id, exchange)
            return _usable_id(given) if given else None
        except Exception as error:  # the application's own code
            self._faults.rule_failed("call_id", error)
            return None


def check_cost(cost: int) -> None:
    """Accept a request's units.

    Raises:
        BadInput: Not a whole number from 0 to 2^53.
    """
    if type(cost) is not int or not 0 <= cost <= LARGEST:
        raise BadInput(f"a cost is a whole number from 0 to {LARGEST:,}, not {cost!r}")


async def _ask(rule: Rule[_T], exchange: Exchange) -> _T:
    answer = rule(exchange)
    return await answer if isawaitable(answer) else answer


def _name(given: str | None) -> str | None:
    """Return the name that a rule gave; None for none.

    Raises:
        BadInput: It is none, such as a number or a UUID.
    """
    if not given:
        return None
    if not isinstance(given, str):
        raise BadInput(f"a name is a str, not a {type(given).__name__}")
    return given


def _is_tenant(name: str) -> bool:
    try:
        check_tenant(name)
    except BadInput:
        return False
    return True


def _usable_id(given: str) -> str:
    try:
        return check_id("call id", given)
    except BadInput:
        return sha256(given.encode("utf-8", "surrogatepass")).hexdigest()
