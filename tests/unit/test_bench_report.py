"""The table of `make bench` says what was measured and harms nothing else."""

from pathlib import Path

import pytest
from bench.report import Row, Section, Spread, Target, ratios, write_page

PAGE = """# Performance

<!-- bench:counting -->
old
<!-- /bench:counting -->

Words that stay.
"""
SECTION = Section(
    "counting",
    "How it was measured.",
    [Row("ours", Spread(0.9, 0.7, 1.1), against="the server", target=Target(0.8))],
)


def test_a_ratio_pairs_figures_of_the_same_round() -> None:
    """The median is of the rounds' ratios, not a ratio of two medians."""
    assert ratios([1.0, 4.0, 30.0], [1.0, 2.0, 10.0]) == Spread(2.0, 1.0, 3.0)


def test_a_target_is_met_from_its_own_side() -> None:
    """A bound from above and one from below are judged the other way round."""
    assert Target(0.8).shown(0.9) == "≥ 0.8: met"
    assert Target(60, at_most=True, unit="bytes/s").shown(61) == "≤ 60 bytes/s: missed"


def test_the_page_keeps_what_stands_outside_the_markers(tmp_path: Path) -> None:
    """Only the section's own table is replaced."""
    page = tmp_path / "performance.md"
    page.write_text(PAGE, encoding="utf-8")

    write_page(SECTION, page)

    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Performance\n\n<!-- bench:counting -->\nHow it was")
    assert "| ours | 0.9 (0.7–1.1) × | the server |  | ≥ 0.8: met |" in text
    assert text.endswith("<!-- /bench:counting -->\n\nWords that stay.\n")
    assert "old" not in text


def test_a_page_without_the_markers_is_left_alone(tmp_path: Path) -> None:
    """A table that has no place is an error, not an addition somewhere."""
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n", encoding="utf-8")

    with pytest.raises(ValueError, match="exactly once"):
        write_page(SECTION, page)

    assert page.read_text(encoding="utf-8") == "# Performance\n"
