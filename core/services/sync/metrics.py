"""The worker's metrics, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    start_http_server,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.delivery import Answer, NotClaimed, Verdict
from meterdeck.core.model.reconciliation import MEANT, SETTLES, Cause

_LATENCIES_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LAGS_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 90.0, 120.0, 300.0, 900.0, 3600.0)
MOST_CODES = 100
"""Labels are for ever, and what a code is, somebody else says."""
_LONGEST_CODE = 64
_PATIENCE_S = 5.0
"""Prometheus itself waits for 10 seconds."""

Facts = Callable[[], Mapping[str, object]]
"""Gathers what is so now, each fact under its name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A gauge that has a fact's value."""

    name: str
    fact: str
    text: str


def gathered_in_loop(facts: Facts) -> Facts:
    """Return `facts` for other threads: it runs in this loop, which changes them.

    Raises there:
        TimeoutError: The loop has not answered within 5 seconds.
    """
    loop = asyncio.get_running_loop()

    async def gather() -> Mapping[str, object]:
        return facts()

    def wait() -> Mapping[str, object]:
        gathering = asyncio.run_coroutine_threadsafe(gather(), loop)
        try:
            return gathering.result(_PATIENCE_S)
        finally:
            gathering.cancel()  # who gave up wants it no more

    return wait


class Metrics:
    """Counts what a worker does, in a registry of its own.

    Every name begins with `meterdeck_`; labels have few values: no tenant is one.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._codes: set[str] = set()
        self._requests = Counter(
            "meterdeck_requests",
            "Events in requests to Stripe, by what came of it.",
            ["answer"],
            registry=registry,
        )
        self._refusals = Counter(
            "meterdeck_refusals",
            "Events that became letters, by Stripe's code or a check's before sending.",
            ["code"],
            registry=registry,
        )
        self._latency = Histogram(
            "meterdeck_request_seconds",
            "From sending a request to its answer.",
            buckets=_LATENCIES_S,
            registry=registry,
        )
        self._settled = Counter(
            "meterdeck_events",
            "Events that were settled, by how.",
            ["verdict"],
            registry=registry,
        )
        self._lag = Histogram(
            "meterdeck_lag_seconds",
            "From noticing use to its event being settled.",
            buckets=_LAGS_S,
            registry=registry,
        )
        self._waited = Counter(
            "meterdeck_rate_wait_seconds",
            "Time that events waited for their turn at the rate limit.",
            registry=registry,
        )
        self._rate = Gauge(
            "meterdeck_rate",
            "Events a second the sender allows itself now.",
            registry=registry,
        )
        self._not_claimed = Counter(
            "meterdeck_not_claimed",
            "Counters that were looked at and had nothing to send, by why.",
            ["why"],
            registry=registry,
        )
        self._drift = Gauge(
            "meterdeck_drift_units",
            "Units of counters that Stripe does not have, or has too many, by cause.",
            ["cause"],
            registry=registry,
        )
        self._oldest_unexplained = Gauge(
            "meterdeck_oldest_unexplained_seconds",
            "Age of the oldest difference without a known cause; 0: there is none.",
            registry=registry,
        )
        # So that what did not happen yet is 0, and can be told from what is not known.
        for verdict in Verdict:
            self._settled.labels(verdict.value)

    def attempt(self, answer: Answer, latency_s: float) -> None:
        """Count one event in one request."""
        self._requests.labels(answer.value).inc()
        self._latency.observe(latency_s)

    def rate_waited(self, seconds: float) -> None:
        """Count waiting."""
        self._waited.inc(seconds)

    def pace_changed(self, rate: float) -> None:
        """Note the rate."""
        self._rate.set(rate)

    def settled(self, verdict: Verdict, lag_s: float | None, code: str) -> None:
        """Count an event."""
        self._settled.labels(verdict.value).inc()
        if verdict in (Verdict.DEAD, Verdict.AMBIGUOUS):
            self._refusals.labels(self._label(code[:_LONGEST_CODE] or "none")).inc()
        if lag_s is not None and verdict is Verdict.DELIVERED:
            self._lag.observe(lag_s)

    def _label(self, code: str) -> str:
        """Return a code, or one word for all of those that came too late."""
        if len(self._codes) < MOST_CODES:
            self._codes.add(code)
        return code if code in self._codes else "other"

    def not_claimed(self, why: NotClaimed) -> None:
        """Count a look for nothing."""
        self._not_claimed.labels(why.value).inc()

    def drifted(self, drift: Mapping[Cause, Decimal], oldest_s: float) -> None:
        """Note what the last reconciliation found."""
        for cause in Cause:
            if cause not in SETTLES | MEANT:
                self._drift.labels(cause.value).set(float(drift.get(cause, 0)))
        self._oldest_unexplained.set(oldest_s)

    def ask(self, gauges: Iterable[Asked], facts: Facts) -> None:
        """Add gauges whose facts are gathered, once, whenever somebody looks.

        Args:
            facts: Is called in a thread of its own; see `gathered_in_loop`.
        """
        self.registry.register(_Gauges(tuple(gauges), facts))

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answer at `http://host:port/metrics`; return what ends it.

        Raises:
            ConfigError: The port is taken.
        """
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:
            raise ConfigError(
                "delivery.metrics_port",
                f"{host}:{port} cannot be used ({error.strerror})",
                "name another port, or 0 for none",
            ) from error
        self.port: int = server.server_port

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join(timeout=1.0)

        return end


@dataclass(frozen=True, slots=True, eq=False)  # the registry holds it by identity
class _Gauges(Collector):
    gauges: tuple[Asked, ...]
    facts: Facts

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [GaugeMetricFamily(each.name, each.text) for each in self.gauges]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        facts = self.facts()
        return [
            GaugeMetricFamily(each.name, each.text, value=_number(facts[each.fact]))
            for each in self.gauges
        ]


def _number(fact: object) -> float:
    assert isinstance(fact, int | float)
    return float(fact)
