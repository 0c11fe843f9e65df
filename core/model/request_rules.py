"""By request: who may ask for changes, who may approve, and what has to be approved."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from meterdeck.core.model.quantity import group_quantity


class Changes(StrEnum):
    """How operators' changes reach Redis."""

    DIRECT = "direct"
    """Who asks calls the scripts; the server cannot tell who it was."""
    REQUEST = "request"
    """Who asks appends to a list of their own; a worker calls the scripts."""


class Rank(StrEnum):
    """What a person may do with requests."""

    SUPPORT = "support"
    """Ask."""
    LEAD = "lead"
    """Ask, and approve what others ask for."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What the worker holds requests against.

    Attributes:
        people: Redis users whose requests are served, each with its rank.
        above_percent: Of the limit: a change of more needs approval; None: never.
        above_units: Units of a resource, in its smallest unit: as above.
        above_money: Of the running period's cost, in the subscription's currency; None:
            nobody reckons it.
        unlimited: Whether an override without a limit needs approval.
        bulk_above: Overrides of more tenants at once need approval.
        expire_h: Hours after which a request that nobody approved is over.
        wait_s: Seconds for which a person waits for an answer.
    """

    people: tuple[tuple[str, Rank], ...] = ()
    above_percent: int | None = 50
    above_units: tuple[tuple[str, int], ...] = ()
    above_money: Decimal | None = None
    unlimited: bool = True
    bulk_above: int = 10
    expire_h: int = 24
    wait_s: float = 10.0

    def rank(self, person: str) -> Rank | None:
        """Return what a person may do; None for somebody who is not served."""
        return dict(self.people).get(person)


USUAL_RULES = RequestOptions()
"""What holds where nothing is said."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request makes of one counter or limit, in its smallest unit.

    Attributes:
        before: None where there is no limit.
        after: As `before`.
        base: What percents are of: the limit, or what is used where there is none.
        billed: Whether the bill follows.
        money: What the change costs or saves, where the bill follows; None where that
            could not be told.
    """

    resource: str
    scale: int
    before: int | None
    after: int | None
    base: int
    billed: bool = False
    money: Decimal | None = None

    @property
    def words(self) -> tuple[str, str]:
        """Before and after for a person."""
        return self._words(self.before), self._words(self.after)

    def _words(self, units: int | None) -> str:
        return "unlimited" if units is None else group_quantity(units, self.scale)


def needs_approval(effect: Effect, rules: RequestOptions) -> str:
    """Return why a second person has to approve, in a few words; "" if nobody has to.

    A change of a limit from or to unlimited is none of a number of units: `unlimited`
    says what becomes of it.
    """
    if effect.before is None or effect.after is None:
        if effect.before == effect.after or not rules.unlimited:
            return ""
        return "it is from or to unlimited"
    change = abs(effect.after - effect.before)
    return (
        _of_units(effect, change, rules)
        or _of_percent(effect, change, rules)
        or _of_money(effect, rules)
    )


def _of_units(effect: Effect, change: int, rules: RequestOptions) -> str:
    most = dict(rules.above_units).get(effect.resource)
    if most is None or change <= most:
        return ""
    return f"it changes more than {group_quantity(most, effect.scale)}"


def _of_percent(effect: Effect, change: int, rules: RequestOptions) -> str:
    percent = rules.above_percent
    if percent is None or change * 100 <= effect.base * percent:
        return ""
    if not effect.base:
        return "it changes what is nothing now"
    return f"it changes more than {percent:,} % of what there is to use"


def _of_money(effect: Effect, rules: RequestOptions) -> str:
    money = rules.above_money
    if money is None or not effect.billed:
        return ""
    if effect.money is None:
        return "what it costs cannot be told"
    return f"it is worth more than {money}" if abs(effect.money) > money else ""
