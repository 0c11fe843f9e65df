"""What a sandbox's Stripe does wrong on purpose: one record of plain data.

The same names are used over HTTP, on the command line and in the console.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fault_knobs import KNOBS, SHARES, Knob, knob_of

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; without arguments nothing does.

    Shares are of all requests, from 0 to 1, at most one trouble a request, so together
    at most 1. What each means and where it strikes stands in `fault_knobs`.
    """

    rate_limited: float = 0.0
    lock_timeout: float = 0.0
    conflict: float = 0.0
    conflict_code: str = "idempotency_key_in_use"
    broken: float = 0.0
    broken_after: float = 0.0
    cut: float = 0.0
    lost: float = 0.0
    half: float = 0.0
    silent: float = 0.0
    silence_s: float = 30.0
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    limit_per_s: float = 0.0
    meter_events_per_s: float = 0.0
    one_at_a_time: str = "off"
    retry_after_s: float = 0.0
    reason: str = "global-rate"
    summary_lag_s: float = 0.0
    dropped: float = 0.0
    drop_code: str = "meter_event_customer_not_found"
    strict: bool = False
    outage_s: float | None = 0.0
    outage_kind: str = "503"
    paths: str = "all"
    seed: int = 1

    def changed(self, changes: Mapping[str, object]) -> Faults:
        """Return these faults with some settings changed, named as in `KNOBS`.

        Raises:
            BadInput: An unknown name or value, or shares above 100 % together.
        """
        knobs = [(knob_of(name), value) for name, value in changes.items()]
        values = {knob.field: knob.read(value) for knob, value in knobs}
        # Each was read as what its field holds.
        return replace(self, **values).checked()  # type: ignore[arg-type]

    def checked(self) -> Faults:
        """Return these faults, if they can be.

        Raises:
            BadInput: The shares are more than 100 % together.
        """
        together = sum(self.of(each) for each in SHARES)
        if together > 1 + _ROUNDING:
            raise BadInput(
                f"the shares are {together:.0%} together, and a request has at most"
                " one trouble; lower some of "
                + ", ".join(each.name for each in SHARES if self.of(each))
            )
        return self

    def of(self, knob: Knob) -> float:
        """Return a share."""
        value: float = getattr(self, knob.field)
        return value

    def value(self, knob: Knob) -> object:
        """Return a setting."""
        return getattr(self, knob.field)

    def as_json(self) -> dict[str, object]:
        """Return every setting by its name, as `changed` takes it."""
        return {each.name: self.value(each) for each in KNOBS}

    @property
    def active(self) -> list[Knob]:
        """The settings that do something now, in order; none where all is well."""
        return [each for each in KNOBS if each.acts and self.value(each) != each.off]


OFF = Faults()
