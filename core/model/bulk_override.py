"""One change of many tenants' limits: what it makes of each, and who feels it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from meterdeck.core.errors import BadInput, MeterdeckError
from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.quantity import LARGEST, parse_quantity
from meterdeck.core.model.standing import lets_pass
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    ResourceName,
    TenantId,
)

BEYOND = "beyond the largest limit"
"""Why a tenant is left out whose limit would be larger than any."""
_UNLIMITED = {"unlimited", "∞"}
_PERCENT = re.compile(r"([+\-−])\s*([0-9]{1,6}(?:\.[0-9]{1,4})?)\s*%")
_TIMES = re.compile(r"[×xX*]\s*([0-9]{1,6}(?:\.[0-9]{1,4})?)")


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A new limit, or what the present one is multiplied by.

    Attributes:
        units: None is unlimited; means nothing where there is a factor.
        factor: None where the limit is given outright.
    """

    units: int | None = None
    factor: Fraction | None = None

    def of(self, units: int) -> int | None:
        """Return what a limit becomes, in whole units: up where it is raised."""
        if self.factor is None:
            return self.units
        top, bottom = self.factor.numerator, self.factor.denominator
        whole, rest = divmod(units * top, bottom)
        return whole + (rest > 0 and top > bottom)


def parse_limit_change(text: str, scale: int = 0) -> LimitChange:
    """Read a limit as a person writes it: `2000`, `unlimited`, `×1.5`, `+20%`, `-10%`.

    Raises:
        BadInput: None of these.
    """
    words = text.strip()
    if words.casefold() in _UNLIMITED:
        return LimitChange()
    if match := _TIMES.fullmatch(words):
        return LimitChange(factor=Fraction(match[1]))
    if match := _PERCENT.fullmatch(words):
        share = Fraction(match[2]) / 100
        factor = 1 + share if match[1] == "+" else 1 - share
        if factor < 0:
            raise BadInput(f"{words} would be less than nothing; at most -100%")
        return LimitChange(factor=factor)
    if words.startswith("+"):
        raise BadInput(f"{words!r} is no limit; write +20%, ×1.5, 2000 or unlimited")
    try:
        return LimitChange(parse_quantity(words, scale))
    except BadInput as error:
        raise BadInput(f"{error}, ×1.5, +20% or unlimited") from error


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tenant whose limit may be changed, as last seen; `used` None: no counter.

    Attributes:
        without: The limit that holds without an override.
    """

    tenant: TenantId
    name: str
    used: int | Broken | None
    limit: Limit
    rule: LimitRule
    without: Limit


class Fate(StrEnum):
    """What becomes of a tenant's next call of one unit."""

    FREED = "refused → allowed"
    CAUGHT = "allowed → refused"
    SAME = "as before"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the change makes of one tenant's limit; None is unlimited."""

    tenant: TenantId
    name: str
    before: int | None
    after: int | None
    fate: Fate

    @property
    def raised(self) -> bool:
        """Whether the tenant may use more than before."""
        if self.before is None or self.after is None:
            return self.after is None and self.before is not None
        return self.after > self.before

    @property
    def lowered(self) -> bool:
        """Whether the tenant may use less than before."""
        return not self.raised and self.after != self.before


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tenant that the change does not touch, and why, in a few words."""

    tenant: TenantId
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change does, before it is done."""

    changes: tuple[Foreseen, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def raised(self) -> int:
        """How many may use more than before."""
        return sum(each.raised for each in self.changes)

    @property
    def lowered(self) -> int:
        """How many may use less than before."""
        return sum(each.lowered for each in self.changes)

    def meeting(self, fate: Fate) -> list[Foreseen]:
        """Return those whose next call fares so."""
        return [each for each in self.changes if each.fate is fate]


def preview(candidates: Iterable[Candidate], change: LimitChange) -> Preview:
    """Say what a change makes of each candidate, in their order.

    Left out is who is unlimited where the limit is multiplied, and whose limit would
    pass the largest there is.
    """
    changes: list[Foreseen] = []
    left_out: list[LeftOut] = []
    for one in candidates:
        why = ""
        after = change.units
        if change.factor is not None and one.limit.units is None:
            why = "unlimited"
        elif one.limit.units is not None:
            after = change.of(one.limit.units)
            why = BEYOND if (after or 0) > LARGEST else ""
        if why:
            left_out.append(LeftOut(one.tenant, one.name, why))
        else:
            changes.append(_foreseen(one, after))
    return Preview(tuple(changes), tuple(left_out))


def preview_removal(candidates: Iterable[Candidate]) -> Preview:
    """Say what it makes of each candidate to have no override any more.

    Left out is who has none.
    """
    changes: list[Foreseen] = []
    left_out: list[LeftOut] = []
    for one in candidates:
        if one.limit.source is LimitSource.OVERRIDE:
            changes.append(_foreseen(one, one.without.units))
        else:
            left_out.append(LeftOut(one.tenant, one.name, "no override"))
    return Preview(tuple(changes), tuple(left_out))


def _foreseen(one: Candidate, after: int | None) -> Foreseen:
    was = _is_refused(one, one.limit.units)
    becomes = _is_refused(one, after)
    fate = Fate.SAME if was is becomes else Fate.CAUGHT if becomes else Fate.FREED
    return Foreseen(one.tenant, one.name, one.limit.units, after, fate)


def _is_refused(one: Candidate, units: int | None) -> bool:
    if units is None or isinstance(one.used, Broken):
        return False
    return not lets_pass(one.rule, one.used or 0, units)


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """Overrides to be set together: each tenant's own limit, None is unlimited.

    Attributes:
        remove: Take the overrides away instead; the limits are those that hold then.
    """

    resource: ResourceName
    limits: tuple[tuple[TenantId, int | None], ...]
    expires_at: datetime | None
    reason: str
    remove: bool = False


@dataclass(frozen=True, slots=True)
class BulkDone:
    """Which overrides are set, and which are not, with the reason of each.

    Attributes:
        stopped: Why the rest was not tried; None where every one was.
    """

    done: tuple[TenantId, ...]
    failed: tuple[tuple[TenantId, str], ...]
    stopped: MeterdeckError | None = field(default=None, compare=False)
