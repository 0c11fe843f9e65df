"""The soak's own books: what they are written from, and what they notice."""

from itertools import islice
from pathlib import Path

from tests.soak.balance import Sheet, bounded
from tests.soak.journal import Account, Entry, Journal, Kind, Told
from tests.soak.processes import Sample
from tests.soak.striking import Plan, Wrong


def test_a_seed_decides_every_fault_and_each_kind_comes_before_any_comes_twice() -> (
    None
):
    """So that a run that found something can be run again."""
    faults = list(islice(Plan(7).faults(), 200))

    assert faults == list(islice(Plan(7).faults(), 200))
    assert faults != list(islice(Plan(8).faults(), 200))
    assert {each.what for each in faults[: len(Wrong)]} == {*Wrong}


def test_a_journal_outlives_a_torn_line_and_says_what_is_still_open(
    tmp_path: Path,
) -> None:
    """The next process goes on in the same file."""
    path = tmp_path / "journal"
    first = Entry(Kind.CONSUME, "c1", "acme", {"calls": 3})
    second = Entry(Kind.CONSUME, "c2", "acme", {"calls": 5})
    journal = Journal(path)
    journal.asked(first)
    journal.told(first, Told.DONE, {})
    journal.asked(second)
    with path.open("ab") as torn:
        torn.write(b'{"end": "consume", "id": "c2", "given": {}')
    later = Journal(path)
    later.asked(Entry(Kind.RELEASE, "c1", "acme", {"calls": 3}))
    for each in (journal, later):
        each.close()

    entries = Journal(path).entries()
    account = Account()
    account.add(entries)

    assert account.sure == {("acme", "calls"): 3}
    assert [(each.kind, each.call_id) for each in account.open] == [
        (Kind.CONSUME, "c2"),
        (Kind.RELEASE, "c1"),
    ]


def test_a_reservation_that_ended_by_itself_is_not_counted() -> None:
    """There was nothing left to settle; of a call there would be what it took."""
    account = Account()
    held, call = (
        {
            (each, kind): Entry(kind, each, "acme", {"calls": 3}, Told.DONE),
            (each, Kind.RELEASE): Entry(
                Kind.RELEASE, each, "acme", {"calls": 3}, Told.GONE
            ),
        }
        for each, kind in (("r", Kind.RESERVE), ("c", Kind.CONSUME))
    )
    account.add(held)
    assert account.sure["acme", "calls"] == 0
    account.add(call)
    assert account.sure["acme", "calls"] == 3


def test_a_unit_too_many_or_too_few_does_not_balance() -> None:
    """But for what nobody was told of."""
    exact = ((5, 0, True), (4, 0, False), (6, 0, False))
    for right, spare, balances in (*exact, (7, 2, True), (8, 2, False)):
        sheet = Sheet()
        sheet.add("units", 5, right, spare)
        assert sheet.balances is balances, (right, spare)


def test_memory_that_grows_all_the_time_and_files_left_open_are_noticed() -> None:
    """What comes to rest after its start is not, however much it took at first."""

    def life(memory: float, files: float) -> list[Sample]:
        return [
            Sample(n, 1, 50 + (30 if n > 20 else 0) + n * memory, int(10 + n * files))
            for n in range(1_000)
        ]

    sheet = Sheet()
    lives = {"rests": life(0, 0), "grows": life(0.1, 0), "opens": life(0, 0.2)}
    bounded(sheet, lives, ())

    assert [each.split()[0] for each in sheet.faults] == ["grows", "opens"]
    assert [row[0] for row in sheet.growth] == [*lives]
