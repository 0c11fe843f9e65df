"""The schema of [alerts.*]: who is told of what."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from meterdeck.core.model.alert_rules import Severity

_MEASURES = ("percent", "units", "time_to_limit", "lag", "drift")
_OF_TENANTS = ("resource", "plan", "tenant", "filter")


def _listed(value: object) -> object:
    """Take one threshold for a list of one; digits stay as they are written."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(
        repr(each)
        if isinstance(each, int | float) and not isinstance(each, bool)
        else each
        for each in values
    )


Thresholds = Annotated[
    tuple[str, ...], BeforeValidator(_listed), Field(min_length=1, max_length=10)
]


class AlertSettings(BaseModel):
    """[alerts.NAME]"""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    resource: str = ""
    plan: str = ""
    tenant: str = ""
    filter: str = ""
    percent: Thresholds | None = None
    units: Thresholds | None = None
    time_to_limit: Thresholds | None = None
    lag: Thresholds | None = None
    drift: Thresholds | None = None
    severity: Severity = Severity.WARNING

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [name for name in _MEASURES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_MEASURES)}")
        if self.lag is not None and any(getattr(self, each) for each in _OF_TENANTS):
            raise ValueError(
                "lag is of the delivery as a whole; leave out resource, plan, tenant"
                " and filter"
            )
        return self

    @property
    def measure(self) -> str:
        """The setting that has the thresholds."""
        return next(name for name in _MEASURES if getattr(self, name) is not None)
