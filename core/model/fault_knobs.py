"""The settings of the fault panel: their names, what they do, what they take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from meterdeck.core.errors import BadInput
from meterdeck.core.model import fault_values as values
from meterdeck.core.model.text import visible

REASONS = (
    "global-rate",
    "global-concurrency",
    "endpoint-rate",
    "endpoint-concurrency",
    "resource-specific",
)
CONFLICTS = ("idempotency_key_in_use", "too_many_concurrent_requests")
OUTAGES = ("503", "500", "cut", "hang")
PATHS = ("all", "meter_events", "stream", "reading")
ONE_AT_A_TIME = ("off", "409", "429")
DROP_CODES = (
    "meter_event_customer_not_found",
    "archived_meter",
    "meter_event_dimension_count_too_high",
    "meter_event_invalid_value",
    "meter_event_no_customer_defined",
    "meter_event_value_too_many_digits",
    "missing_dimension_payload_keys",
    "no_meter",
    "timestamp_in_future",
    "timestamp_too_far_in_past",
)


class Group(StrEnum):
    """What kind of trouble a setting is."""

    REFUSED = "Refused"
    BROKEN = "Broken"
    SLOW = "Slow"
    LIMITS = "Limits"
    LATE = "Late"
    OUTAGE = "Outage"
    SCOPE = "Scope"


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting.

    Attributes:
        name: Its key over HTTP, with its unit.
        field: Where `Faults` has it.
        takes: How its values are read and written.
        short: Its name on the command line.
        label: Its name on the screen, at most 20 characters.
        does: What it does, one line.
        off: The value at which it does nothing.
        acts: It does something by itself; the others only say how.
        counts: How often it struck is counted.
        steps: What the console offers one after the other.
    """

    name: str
    field: str
    takes: values.Values
    group: Group
    label: str
    does: str
    off: object
    acts: bool = True
    counts: bool = True
    short: str = ""
    steps: tuple[object, ...] = ()

    @property
    def word(self) -> str:
        """The name that people type."""
        return self.short or self.name

    def read(self, value: object) -> object:
        """Read a value that came as JSON or as text.

        Raises:
            BadInput: It is none.
        """
        return self.takes.read(self.word, value)

    def show(self, value: object) -> str:
        """Write a value for people."""
        return self.takes.show(value)


_SHARE_STEPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
_MILLIS_STEPS = (0.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)
_RATE_STEPS = (0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 100.0, 1_000.0)


def _share(name: str, field: str, group: Group, label: str, does: str) -> Knob:
    return Knob(name, field, values.SHARE, group, label, does, 0.0, steps=_SHARE_STEPS)


def _choice(
    name: str, field: str, group: Group, label: str, does: str, *, of: tuple[str, ...]
) -> Knob:
    takes = values.Choice(of)
    return Knob(name, field, takes, group, label, does, of[0], acts=False, steps=of)


KNOBS: tuple[Knob, ...] = (
    _share("429", "rate_limited", Group.REFUSED, "429 rate limit",
           "Refused: too many requests; nothing was done"),
    _share("lock_timeout", "lock_timeout", Group.REFUSED, "429 lock timeout",
           "Refused: another request holds the object; nothing was done"),
    _share("409", "conflict", Group.REFUSED, "409 conflict",
           "Refused: the same is in progress; nothing was done"),
    _choice("409_code", "conflict_code", Group.REFUSED, "  its code",
            "The code of a 409", of=CONFLICTS),
    _share("500", "broken", Group.BROKEN, "500 before",
           "A fault of Stripe's before anything was done"),
    _share("500_after", "broken_after", Group.BROKEN, "500 after",
           "Done, and answered with a 500 that is replayed to the same key"),
    _share("cut", "cut", Group.BROKEN, "cut before",
           "The connection is reset before anything was done"),
    _share("lost", "lost", Group.BROKEN, "lost reply",
           "Done, and the connection ends without an answer"),
    _share("half", "half", Group.BROKEN, "half an answer",
           "Done, and the connection ends in the middle of the answer"),
    Knob("latency_ms", "latency_ms", values.Millis(60_000), Group.SLOW, "latency",
         "Every request takes at least this long", 0.0,
         short="latency", steps=_MILLIS_STEPS),
    Knob("jitter_ms", "jitter_ms", values.Millis(60_000), Group.SLOW, "jitter",
         "And up to this much longer, by chance", 0.0, counts=False,
         short="jitter", steps=_MILLIS_STEPS),
    _share("silent", "silent", Group.SLOW, "silent",
           "Done, and nothing said for as long as the silence lasts"),
    Knob("silence_s", "silence_s", values.Seconds(600), Group.SLOW, "  how long",
         "How long a silent request is held", 30.0, acts=False,
         short="silence", steps=(1.0, 5.0, 10.0, 30.0, 60.0, 120.0)),
    Knob("limit_per_s", "limit_per_s", values.RATE, Group.LIMITS, "requests a second",
         "A real limit for all requests: 25/s is a Stripe sandbox's; 0 for none", 0.0,
         short="limit", steps=_RATE_STEPS),
    Knob("meter_events_per_s", "meter_events_per_s", values.RATE, Group.LIMITS,
         "meter events a second",
         "Meter events apart from the others: 1,000/s is live Stripe's; 0 for none",
         0.0, short="events_limit", steps=_RATE_STEPS),
    Knob("one_at_a_time", "one_at_a_time", values.Choice(ONE_AT_A_TIME), Group.LIMITS,
         "one at a time",
         "Two events at once of one customer and meter: the second gets a 409 or 429",
         "off", steps=ONE_AT_A_TIME),
    _choice("reason", "reason", Group.LIMITS, "reason of a 429",
            "What Stripe-Rate-Limited-Reason says", of=REASONS),
    Knob("retry_after_s", "retry_after_s", values.Seconds(3_600, whole=True),
         Group.LIMITS, "Retry-After", "What a 429 asks to wait; 0: it does not say",
         0.0, acts=False, short="retry_after", steps=(0.0, 1.0, 2.0, 5.0, 30.0)),
    Knob("summary_lag_s", "summary_lag_s", values.Seconds(86_400), Group.LATE,
         "summary lag", "How long until an event shows in summaries", 0.0,
         counts=False, short="summary_lag", steps=(0.0, 5.0, 30.0, 60.0, 120.0, 600.0)),
    _share("dropped", "dropped", Group.LATE, "dropped later",
           "Share of the accepted events that are not counted, and reported later"),
    _choice("drop_code", "drop_code", Group.LATE, "  reported as",
            "The code of those reports", of=DROP_CODES),
    Knob("strict", "strict", values.FLAG, Group.LATE, "strict",
         "An unknown customer is refused at once, not reported later", False,
         steps=(False, True)),
    Knob("outage_s", "outage_s", values.OUTAGE, Group.OUTAGE, "outage",
         "Nothing is answered as it should, for so long or until cleared", 0.0,
         short="outage", steps=(0.0, 10.0, 30.0, 60.0, 300.0, None)),
    _choice("outage_kind", "outage_kind", Group.OUTAGE, "  answers with",
            "What an outage looks like", of=OUTAGES),
    _choice("paths", "paths", Group.SCOPE, "holds for",
            "Which requests troubles, latency and outages hold for", of=PATHS),
    Knob("seed", "seed", values.SEED, Group.SCOPE, "seed",
         "The same seed decides the same; setting it starts anew", 1, acts=False),
)  # fmt: skip

TROUBLES = tuple(
    each.name
    for each in KNOBS
    if each.counts and each.field not in ("latency_ms", "dropped", "strict")
)
"""What keeps a request from its answer, or its answer from whoever asked."""
SHARES = tuple(
    each for each in KNOBS if each.takes is values.SHARE and each.field != "dropped"
)
"""The troubles of a request: at most one of them strikes each."""
BY_NAME = {each.name: each for each in KNOBS}
_BY_WORD = {each.word: each for each in KNOBS} | BY_NAME


def knob_of(name: str) -> Knob:
    """Return the setting of this name, either of its two.

    Raises:
        BadInput: There is none; the sentence names the nearest.
    """
    found = _BY_WORD.get(name)
    if found is None:
        near = nearest(name, _BY_WORD)
        raise BadInput(f"there is no fault {visible(name, 40)!r}; {near}")
    return found


def nearest(wrong: str, names: Iterable[str]) -> str:
    """Return what was probably meant, or all there is."""
    listed = tuple(names)
    near = get_close_matches(wrong, listed, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(listed)}"
