"""A fleet as a picture: bands, and the cells each of them gets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from meterdeck.core.model.density import Band, band_cells, band_counts, band_of


def test_shares_fall_into_the_bands_that_bars_are_painted_by() -> None:
    """Near above 70, high above 90, full from 100; no limit is a band of its own."""
    shares = (250, 100, 99, 91, 90, 71, 70, 31, 30, 11, 10, 0, -1)

    found = [band_of(share).name for share in shares]

    assert found == [
        "FULL", "FULL", "HIGH", "HIGH", "NEAR", "NEAR", "HALF", "THIRD", "LITTLE",
        "LITTLE", "IDLE", "IDLE", "UNLIMITED",
    ]  # fmt: skip
    assert sum(band_counts(shares)) == len(shares)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 100_000), min_size=8, max_size=8), st.integers(3, 5_000))
def test_nothing_bad_is_rounded_away_and_the_picture_is_filled(
    counts: list[int], room: int
) -> None:
    """One cell a tenant, or exactly the room; a single full tenant is always there."""
    cells = band_cells(counts, room)

    assert sum(cells) == min(sum(counts), room)
    assert all(cell <= count for cell, count in zip(cells, counts, strict=True))
    for band in (Band.FULL, Band.HIGH, Band.NEAR):
        assert bool(cells[band]) == bool(counts[band])
