"""The table of others' mistakes names tests that there are."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS / "integration" / "redis" / "traps" / "README.md"


def test_every_test_that_the_table_names_exists() -> None:
    """A test that was renamed or split is named anew in the table."""
    named = set(re.findall(r"`(?:[\w/.]+::)?(test_\w+)`", TABLE.read_text("utf-8")))
    written = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }

    assert len(named) > 50
    assert named - written == set()
