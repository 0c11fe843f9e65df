"""The circuit breaker: when Redis is asked, and when it is left alone."""

from dataclasses import dataclass

import pytest

from meterdeck.core.model.degraded import CircuitState
from meterdeck.core.services.circuit import Circuit


@dataclass
class Clock:
    """A monotonic clock that a test moves."""

    now: float = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The circuit's clock."""
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    """A circuit that opens after three failures and pauses for two seconds."""
    return Circuit(failures=3, pause_s=2.0, clock=clock)


def fail(circuit: Circuit, times: int) -> None:
    """Let calls fail one after the other, as far as they are admitted."""
    for _ in range(times):
        epoch = circuit.admit()
        assert epoch is not None
        circuit.failed(epoch)


def state(circuit: Circuit) -> CircuitState:
    """Return the state as it is shown."""
    return circuit.status().state


def test_it_is_closed_at_first(circuit: Circuit) -> None:
    """Calls are sent."""
    assert circuit.admit() is not None
    assert circuit.probe() is None
    assert circuit.retry_in_s() is None
    assert state(circuit) is CircuitState.CLOSED


def test_failures_in_a_row_open_it(circuit: Circuit) -> None:
    """Two are borne, the third opens; then no call is sent."""
    fail(circuit, 2)
    assert state(circuit) is CircuitState.CLOSED

    fail(circuit, 1)

    assert state(circuit) is CircuitState.OPEN
    assert circuit.admit() is None
    assert circuit.status().opened == 1


def test_an_answer_in_between_begins_the_row_anew(circuit: Circuit) -> None:
    """Five failures, never three in a row."""
    fail(circuit, 2)
    epoch = circuit.admit()
    assert epoch is not None
    circuit.succeeded(epoch)

    fail(circuit, 2)

    assert state(circuit) is CircuitState.CLOSED


def test_a_probe_is_due_after_the_pause_and_there_is_one_at_a_time(
    circuit: Circuit, clock: Clock
) -> None:
    """Before the pause there is none, while one is under way there is no second."""
    fail(circuit, 3)
    clock.now += 1.9
    assert circuit.probe() is None
    assert circuit.retry_in_s() == pytest.approx(0.1)

    clock.now += 0.2

    assert circuit.probe() is not None
    assert state(circuit) is CircuitState.HALF_OPEN
    assert circuit.probe() is None
    assert circuit.admit() is None


def test_a_probe_that_is_answered_closes_it(circuit: Circuit, clock: Clock) -> None:
    """Calls are sent again, and the row of failures is forgotten."""
    fail(circuit, 3)
    clock.now += 2
    probe = circuit.probe()
    assert probe is not None

    circuit.succeeded(probe)

    assert state(circuit) is CircuitState.CLOSED
    assert circuit.status().failures == 0
    assert circuit.admit() is not None


def test_a_probe_that_fails_opens_it_for_another_pause(
    circuit: Circuit, clock: Clock
) -> None:
    """One probe a pause, however long the server is away; it is one outage."""
    fail(circuit, 3)
    for _ in range(5):
        clock.now += 2
        probe = circuit.probe()
        assert probe is not None
        circuit.failed(probe)
        assert state(circuit) is CircuitState.OPEN
        assert circuit.probe() is None

    assert circuit.status().opened == 1


def test_what_was_sent_before_it_opened_changes_nothing_after(
    circuit: Circuit, clock: Clock
) -> None:
    """A late failure does not spoil the probe, a late answer does not replace it."""
    late = circuit.admit()
    assert late is not None
    fail(circuit, 3)
    clock.now += 2
    probe = circuit.probe()
    assert probe is not None

    circuit.failed(late)
    assert state(circuit) is CircuitState.HALF_OPEN
    circuit.succeeded(late)
    assert state(circuit) is CircuitState.HALF_OPEN
    circuit.succeeded(probe)
    circuit.failed(late)

    assert circuit.status().failures == 0
