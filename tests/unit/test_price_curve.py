"""The curve of a price: rows of text whose every number is right."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from meterdeck.core.model.prices import (
    Package,
    PerUnit,
    PriceForm,
    Tier,
    Tiered,
    TiersMode,
)
from meterdeck.core.model.pricing import bill
from meterdeck.tui.price_curve import (
    Part,
    Row,
    draw,
    examples_of,
    far_apart,
    reach_of,
)

TIERS = (
    Tier(1_000, Decimal(1)),
    Tier(10_000, Decimal("0.5")),
    Tier(None, Decimal("0.1")),
)
GRADUATED = Tiered(TiersMode.GRADUATED, TIERS)
VOLUME = Tiered(TiersMode.VOLUME, TIERS)
FAR = Tiered(TiersMode.GRADUATED, (Tier(10, Decimal(5)), *TIERS[1:]))


def drawn(form: PriceForm, width: int = 60, height: int = 12) -> tuple[Row, ...]:
    """Draw a price in dollars."""
    return draw(
        lambda units: bill(form, Decimal(units)).exact,
        form,
        "usd",
        width=width,
        height=height,
    )


def texts(rows: Sequence[Row]) -> list[str]:
    """Return the rows without their parts."""
    return ["".join(piece.text for piece in row) for row in rows]


def heights(rows: Sequence[Row]) -> list[int]:
    """Return how high the line is in each column of dots, from below; 0 for none."""
    plot = texts(rows)[:-2]
    start = plot[0].index("┤") + 1
    columns = []
    for x in range(2 * (len(plot[0]) - start)):
        lit = [
            4 * (len(plot) - y) - dot
            for y, row in enumerate(plot)
            for dot in range(4)
            if _lit(row[start + x // 2], dot, x % 2)
        ]
        columns.append(max(lit, default=0))
    return columns


def _lit(cell: str, dot: int, side: int) -> bool:
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    code = ord(cell) - 0x2800
    return 0 < code < 0x100 and bool(code & bits[dot][side])


def test_the_axes_say_the_numbers_of_the_legacy_price() -> None:
    """1,000 at $0.01, 9,000 at $0.005, then $0.001: 25,000 units cost $70.00."""
    rows = texts(drawn(GRADUATED))

    assert reach_of(GRADUATED) == 25_000
    assert examples_of(GRADUATED) == (1_000, 10_000, 25_000)
    assert rows[0].lstrip().startswith("80.00 ┤")
    assert rows[-3].lstrip().startswith("0 ┤")
    assert rows[-2].lstrip().startswith("USD └")
    assert rows[-2].count("┴") == 2
    assert rows[-1].split()[0] == "0"
    assert rows[-1].split()[-2:] == ["10,000", "25,000"]


def test_the_line_ends_as_high_as_the_amount_is() -> None:
    """70 of 80 dollars: seven eighths of the plot, and it never falls before."""
    line = heights(drawn(GRADUATED))

    assert line == sorted(line)
    assert abs(line[-1] - 40 * 70 / 80) <= 1


def test_a_volume_price_falls_where_its_tier_begins() -> None:
    """After unit 10,000 all of them cost less."""
    line = heights(drawn(VOLUME))
    bound = len(line) * 10_000 // 25_000

    assert max(line) in line[bound - 2 : bound + 3]
    assert line[bound + 4] < max(line) / 2


def test_a_package_price_is_a_stair() -> None:
    """Each begun package is paid whole: five steps for five packages."""
    line = heights(drawn(Package(Decimal(500), 1_000)))

    assert len(set(line) - {line[0]}) == 5


def test_tiers_far_apart_are_drawn_on_logarithmic_axes_that_say_so() -> None:
    """Both begin at one unit and what it costs."""
    rows = texts(drawn(FAR))

    assert far_apart(FAR)
    assert rows[-2].lstrip().startswith("log └")
    assert rows[-1].split()[0] == "1"
    assert rows[-3].lstrip().startswith("0.05 ┤")


def test_where_there_is_no_room_nothing_is_drawn() -> None:
    """Rather nothing than a stump."""
    assert drawn(GRADUATED, height=3) == ()
    assert drawn(GRADUATED, width=12) == ()


FORMS = st.one_of(
    st.decimals(0, 10**6, places=4).map(PerUnit),
    st.builds(Package, st.decimals(0, 10**6, places=2), st.integers(1, 10**9)),
    st.builds(
        lambda mode, steps, last: Tiered(
            mode,
            (
                *(Tier(up_to, unit, flat) for up_to, unit, flat in sorted(steps)),
                Tier(None, last),
            ),
        ),
        st.sampled_from(TiersMode),
        st.lists(
            st.tuples(
                st.integers(1, 10**12),
                st.decimals(0, 10**4, places=3),
                st.decimals(0, 10**7, places=0),
            ),
            max_size=8,
            unique_by=lambda step: step[0],
        ),
        st.decimals(0, 10**4, places=12),
    ),
)


@settings(max_examples=60, deadline=None)
@given(FORMS, st.integers(16, 120), st.integers(4, 20))
def test_every_price_fits_in_what_it_is_given(
    form: PriceForm, width: int, height: int
) -> None:
    """As many rows as asked for, none wider; amounts are asked for whole units."""
    rows = drawn(form, width, height)

    assert len(rows) in (0, height)
    assert all(len(text) <= width for text in texts(rows))
    if rows:
        assert any(piece.part is Part.LINE for row in rows for piece in row)
        assert all(units >= 0 for units in examples_of(form))
