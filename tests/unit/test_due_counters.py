"""Which counter is looked at next."""

from meterdeck.core.model.usage import CounterId, ResourceName, TenantId
from meterdeck.core.services.sync.due import DueCounters

RESOURCE = ResourceName("api_calls")


def counter(tenant: str) -> CounterId:
    """Return a counter of some tenant."""
    return CounterId(TenantId(tenant), RESOURCE, "2026-11")


def test_a_counter_is_handed_out_when_it_is_due_and_only_once() -> None:
    """Before its moment it is kept back; after it was taken it is gone."""
    due = DueCounters()
    due.put(counter("a"), 110.0, since=100.0)

    assert due.take(109.0, 10) == {}
    assert due.take(110.0, 10) == {counter("a"): 100.0}
    assert due.take(200.0, 10) == {}
    assert (len(due), due.next_at()) == (0, None)


def test_counters_of_ended_periods_come_first_whatever_waited_longer() -> None:
    """A backlog of open periods does not keep a closed one from its invoice."""
    due = DueCounters()
    for number in range(100):
        due.put(counter(f"open-{number}"), 100.0, since=90.0, ends=1_000.0)
    due.put(counter("closed"), 190.0, since=189.0, ends=150.0)

    assert list(due.take(200.0, 1)) == [counter("closed")]


def test_what_is_put_again_is_due_at_the_earlier_moment_since_the_earlier() -> None:
    """Neither a later wish nor a later notice makes anything wait longer."""
    due = DueCounters()
    due.put(counter("a"), 110.0, since=100.0)
    due.put(counter("a"), 105.0, since=102.0)
    due.put(counter("a"), 120.0, since=90.0)

    assert due.oldest_since() == 90.0
    assert due.take(105.0, 10) == {counter("a"): 90.0}
    assert due.take(500.0, 10) == {}


def test_what_is_overdue_is_counted() -> None:
    """Only those whose moment has come."""
    due = DueCounters()
    for number in range(5):
        due.put(counter(str(number)), 100.0 + number, since=100.0)

    assert due.overdue(102.0) == 3
    assert counter("4") in due
