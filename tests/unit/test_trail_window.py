"""The window on all audit trails, and what is asked of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.core.model import trail_window
from meterdeck.core.model.audit import AuditPage, AuditPlace, AuditQuery
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.trail_question import parse_question
from meterdeck.core.model.trail_window import TrailWindow
from meterdeck.core.model.usage import ResourceName, TenantId

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)


def entry(number: int, *, tenant: str = "acme", undoes: str = "") -> AuditEntry:
    """Return an entry of the given millisecond."""
    return AuditEntry(
        f"{1_000 + number}-0", NOW, "ana", "ssh", "adjust:add", TenantId(tenant),
        ResourceName("api_calls"), "2026-11", "1", "2", "why", "", "op", "", "", undoes,
    )  # fmt: skip


def page(numbers: Sequence[int], *, more: bool) -> AuditPage:
    """Return a page of entries, newest first."""
    entries = tuple(map(entry, numbers))
    return AuditPage(entries, AuditPlace.of(entries[-1]) if more else None)


def numbers(window: TrailWindow) -> list[int]:
    """Return the entries' milliseconds."""
    return [int(each.id.partition("-")[0]) - 1_000 for each in window.entries]


def test_the_window_grows_at_both_ends() -> None:
    """What is new comes on top, once; what is older below."""
    window = TrailWindow()
    window.take_newest(page([9, 8], more=True))
    window.take_older(page([7, 6], more=False))
    assert window.next is None

    assert window.take_newest(page([11, 9, 8], more=True)) == 1

    assert numbers(window) == [11, 9, 8, 7, 6]
    assert window.next is None


def test_the_window_begins_anew_rather_than_have_a_gap() -> None:
    """More came than a page holds: older ones are read again from there."""
    window = TrailWindow()
    window.take_newest(page([3, 2], more=False))

    window.take_newest(page([9, 8], more=True))

    assert numbers(window) == [9, 8]
    assert window.next == AuditPlace.of(entry(8))


def test_the_window_is_bounded_and_knows_where_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest go; what follows begins after the last that is kept."""
    monkeypatch.setattr(trail_window, "MOST", 4)
    window = TrailWindow()
    window.take_newest(page([9, 8, 7], more=True))
    window.take_older(page([6, 5, 4], more=False))

    assert numbers(window) == [9, 8, 7, 6]
    assert window.full
    assert window.next == AuditPlace.of(entry(6))
    window.take_newest(page([10, 9], more=True))
    assert numbers(window) == [10, 9, 8, 7]


def test_an_entry_knows_what_took_it_back() -> None:
    """Of the same tenant: ids are a tenant's own."""
    window = TrailWindow()
    old, other = entry(1), entry(1, tenant="globex")
    undo = entry(2, undoes=old.id)

    window.take_newest(AuditPage((undo, old, other), None))

    assert window.undone_by(old) == undo
    assert window.undone_by(other) is None


def test_exact_fields_and_since_are_asked_of_redis_and_the_rest_is_filtered() -> None:
    """However far back the trail goes."""
    asked = parse_question(
        'since:2d tenant="acme co" !who:ben launch',
        lambda text: {"2d": NOW - timedelta(days=2)}[text],
        limit=50,
    )

    assert asked.query == AuditQuery("acme co", 50, since=NOW - timedelta(days=2))
    assert asked.takes is not None
    assert not asked.takes(entry(1))
    assert parse_question("who:ana why:why", lambda _: NOW, 50).takes is not None
    assert parse_question("tenant=acme,globex", lambda _: NOW, 50).query.tenant is None
    assert parse_question("", lambda _: NOW, 50).takes is None
    with pytest.raises(BadInput, match="colour"):
        parse_question("colour:red", lambda _: NOW, 50)
