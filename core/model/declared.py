"""What a configuration declares that Stripe has to fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from meterdeck.core.model.catalogue import Catalogue
from meterdeck.core.model.context import Context, PlanRule
from meterdeck.core.model.usage import Resource


@dataclass(frozen=True, slots=True)
class Declared:
    """The catalogue, and the resources and plans that lead to it."""

    catalogue: Catalogue
    resources: tuple[Resource, ...] = ()
    plan_rules: tuple[PlanRule, ...] = ()

    @classmethod
    def of(cls, context: Context) -> Self:
        """Return what a context has of it."""
        return cls(context.catalogue, context.resources, context.plan_rules)
