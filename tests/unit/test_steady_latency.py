"""The latency in the header: steady, and true within seconds."""

from meterdeck.tui.widgets.header import SteadyLatency


def test_a_busy_moment_is_not_sent_to_the_terminal() -> None:
    """Neither what differs each second nor a late answer changes what is shown."""
    steady = SteadyLatency()
    measured = [2.0, 3.5, 1.2, 60.0, 4.0, 9.0, 2.2, 50.0, 2.0]

    assert {steady.show(each) for each in measured} == {2.0}


def test_a_server_that_has_become_slow_is_shown_as_slow() -> None:
    """Within six answers; and again as quick when it is."""
    steady = SteadyLatency()
    steady.show(2.0)
    slow = [steady.show(400.0) for _ in range(6)][-1]
    quick = [steady.show(2.0) for _ in range(15)][-1]

    assert slow is not None
    assert slow > 200.0
    assert quick is not None
    assert quick < 60.0
    assert steady.show(None) is None


def test_a_slow_first_answer_is_not_shown_for_long() -> None:
    """What is usual is shown soon, though it is only some milliseconds less."""
    steady = SteadyLatency()

    shown = [steady.show(each) for each in (18.0, *[2.0] * 6)]

    assert shown[0] == 18.0
    assert shown[-1] is not None
    assert shown[-1] < 9.0
