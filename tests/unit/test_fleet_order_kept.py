"""The fleet's usual order, kept up to date, against sorting everything anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meterdeck.core.services.fleet_order import WorstOrder

SHARES = st.integers(-1, 120) | st.just(2**31 - 1)


@given(st.data())
def test_rows_that_move_come_to_where_a_whole_sort_puts_them(
    data: st.DataObject,
) -> None:
    """However the shares change: highest first, ties by name."""
    count = data.draw(st.integers(0, 30))
    shares = st.lists(SHARES, min_size=count, max_size=count)
    names = data.draw(st.permutations(range(count)))
    worst = data.draw(shares)
    kept = WorstOrder(names, worst)
    for _ in range(data.draw(st.integers(1, 4))):
        after = data.draw(shares)
        changed = {row for row in range(count) if after[row] != worst[row]}
        kept.moved |= changed | data.draw(st.sets(st.sampled_from(names or [0])))
        kept.moved &= set(range(count))
        worst = after
        whole = sorted(names, key=lambda row: -worst[row])
        some = data.draw(st.sets(st.sampled_from(whole))) if whole else set()
        assert kept.order(worst, sorted(some)) == [row for row in whole if row in some]
        assert kept.order(worst) == whole
