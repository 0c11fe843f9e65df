"""Which tenants are in the window, and where the cursor is."""

from meterdeck.tui.tenant_list import TenantList, heading


def a_list(rows: int = 100, height: int = 10, *, jump: bool = False) -> TenantList:
    """Return a list of rows in a window."""
    made = TenantList(jump=jump)
    made.resize(height)
    made.place(range(rows), None)
    return made


def test_the_cursor_stays_on_its_row_when_the_order_changes() -> None:
    """Re-sorting moves the cursor with its tenant."""
    listed = a_list()
    listed.go(5)

    listed.place(list(reversed(range(100))), 5)

    assert listed.selected == 5
    assert 5 in listed.shown


def test_before_anybody_moved_the_cursor_it_stays_on_the_first_line() -> None:
    """A picture that is still loading does not carry the cursor away."""
    listed = a_list()

    listed.place(list(reversed(range(100))), 0)

    assert listed.cursor == 0
    assert listed.selected == 99


def test_a_selected_row_that_is_filtered_away_leaves_the_cursor_inside() -> None:
    """The cursor is never outside the list."""
    listed = a_list()
    listed.go(50)

    listed.place([1, 2, 3], 50)

    assert listed.selected == 3


def test_nothing_is_selected_in_an_empty_list() -> None:
    """An empty list has no selection, and moving in it does nothing."""
    listed = a_list(0)
    listed.move(3)

    assert listed.selected is None
    assert list(listed.shown) == []


def test_the_window_follows_the_cursor_by_one_line() -> None:
    """At the edge the window scrolls a line at a time."""
    listed = a_list()
    listed.go(10)

    assert listed.top == 1


def test_over_a_slow_link_the_window_jumps_by_half() -> None:
    """With `jump` a step over the edge moves half a window."""
    listed = a_list(jump=True)
    listed.go(10)

    assert listed.top == 6
    assert listed.selected == 10


def test_pages_and_ends_stay_inside() -> None:
    """Paging past the end stops at the last row, and back at the first."""
    listed = a_list(25)
    for _ in range(5):
        listed.page(1)
    last = listed.selected, listed.top
    for _ in range(5):
        listed.page(-1)

    assert last == (24, 15)
    assert (listed.selected, listed.top) == (0, 0)


def test_the_wheel_takes_the_cursor_along_at_the_edge() -> None:
    """Scrolling moves the window and keeps the cursor visible."""
    listed = a_list()
    listed.scroll(3)

    assert listed.top == 3
    assert listed.selected == 3


def test_the_cursor_passes_over_headings_and_stops_at_a_folded_one() -> None:
    """A heading without rows below it is all there is of its group."""
    listed = TenantList()
    listed.resize(10)
    listed.place([heading(0), 7, 8, heading(1), heading(2), 9], None)
    lines = [listed.line]
    for _ in range(4):
        listed.move(1)
        lines.append(listed.line)
    for _ in range(5):
        listed.move(-1)
        lines.append(listed.line)

    assert lines == [7, 8, heading(1), 9, 9, heading(1), 8, 7, 7, 7]


def test_the_heading_above_the_cursor_comes_into_the_window_with_it() -> None:
    """Going back to the first row shows whose group it is."""
    listed = TenantList()
    listed.resize(4)
    listed.place([heading(0), *range(20)], None)
    listed.go(20)
    listed.go(0)

    assert (listed.top, listed.selected) == (0, 0)
