"""The sinks meter events can be sent to."""

from __future__ import annotations

from typing import TypeAlias

from meterdeck.core.adapters.stripe_clock import Clock, wall_clock
from meterdeck.core.adapters.stripe_payload import Meters
from meterdeck.core.adapters.stripe_requests import StripeRequests
from meterdeck.core.adapters.stripe_v1_sink import V1Sink
from meterdeck.core.adapters.stripe_v2_stream_sink import V2StreamSink
from meterdeck.core.model.context import Mode, SinkKind, StripeOptions

StripeSink: TypeAlias = V1Sink | V2StreamSink

_SINKS: dict[SinkKind, type[StripeSink]] = {
    SinkKind.V1: V1Sink,
    SinkKind.V2_STREAM: V2StreamSink,
}
_SPARE = 2  # connections that close while others open


def open_sink(
    kind: SinkKind,
    options: StripeOptions,
    mode: Mode,
    *,
    at_once: int,
    meters: Meters,
    clock: Clock = wall_clock,
) -> StripeSink:
    """Return the sink; nothing is sent yet, and the SDK is not imported.

    Args:
        at_once: Requests that may be in flight together.
        meters: What is known of the meter of an event name.
        clock: Tells the moments of attempts, and what Stripe's clock is compared with.
    """
    requests = StripeRequests(options, mode, connections=at_once + _SPARE, clock=clock)
    return _SINKS[kind](requests, mode, meters)
