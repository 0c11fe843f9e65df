"""Ready-made troubles, each a few settings; what a preset does not name is off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meterdeck.core.errors import BadInput
from meterdeck.core.model.fault_knobs import nearest
from meterdeck.core.model.faults import OFF, Faults
from meterdeck.core.model.text import visible


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of troubles."""

    name: str
    does: str
    settings: Mapping[str, object] = field(hash=False)

    @property
    def faults(self) -> Faults:
        """Everything else off."""
        return OFF.changed(self.settings)


PRESETS = (
    Preset("bad-day", "a little of everything", {
        "429": 0.05, "lock_timeout": 0.03, "409": 0.02, "500": 0.04, "500_after": 0.03,
        "cut": 0.03, "lost": 0.05, "half": 0.02, "latency_ms": 60, "jitter_ms": 120,
        "summary_lag_s": 5,
    }),
    Preset("rate-limited", "10 requests a second, no more", {
        "limit_per_s": 10, "one_at_a_time": "429", "retry_after_s": 1,
    }),
    Preset("outage", "503 to everything until cleared", {"outage_s": None}),
    Preset("lossy", "one answer in four is lost on its way", {
        "cut": 0.05, "lost": 0.12, "half": 0.05, "500_after": 0.03,
    }),
    Preset("slow", "answers take a second, one in fifty half a minute", {
        "latency_ms": 600, "jitter_ms": 800, "silent": 0.02,
    }),
    Preset("lagging", "summaries are two minutes behind", {"summary_lag_s": 120}),
    Preset("late-errors", "one accepted event in ten is dropped and reported later", {
        "dropped": 0.1,
    }),
)  # fmt: skip
_BY_NAME = {each.name: each for each in PRESETS}


def preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        BadInput: There is none of this name; the sentence names the nearest.
    """
    found = _BY_NAME.get(name)
    if found is None:
        near = nearest(name, _BY_NAME)
        raise BadInput(f"there is no preset {visible(name, 40)!r}; {near}")
    return found
