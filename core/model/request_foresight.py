"""What becomes of a change that is asked for, said before anybody asks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from meterdeck.core.model.request_rules import Effect, RequestOptions, needs_approval

SILENT_S = 15.0
"""Seconds without a sign of life after which nobody is taken to serve requests."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is known of a request beforehand; the worker decides by its own rules.

    Attributes:
        why: Why a second person will have to approve it; empty where none is known.
        money: The bill follows, and above so much it has to be approved; else None.
        served: Whether somebody serves requests now; None where that is not known.
    """

    why: str = ""
    money: Decimal | None = None
    served: bool | None = None

    def __str__(self) -> str:
        said = "a worker makes it at once"
        if self.why:
            said = f"a second person has to approve it, as {self.why}"
        elif self.money is not None:
            said = f"worth more than {self.money}, a second person has to approve it"
        if self.served is False and (self.why or self.money is not None):
            said += "; no worker serves requests now, so it waits for one"
        elif self.served is False:
            said = "no worker serves requests now, so it waits for one"
        return f"This is asked for: {said}."


def foresee(effect: Effect, rules: RequestOptions) -> Foresight:
    """Return what a person can know of a change; what it is worth they cannot."""
    why = needs_approval(replace(effect, billed=False), rules)
    money = rules.above_money if effect.billed and not why else None
    return Foresight(why, money)
