"""The JavaScript client stays small enough to be read and copied."""

import re

import pytest
from tests.interop.conftest import CLIENTS

MOST_LINES = 150
WIDEST = 100
TOLD = re.compile(r"\[(\w+\.mjs)\]\((?:clients/)?\w+\.mjs\)\s+\((\d+)\s+lines\)")
"""How documents name a file of the client: a link, then `(150 lines)`."""


def lengths() -> dict[str, int]:
    """Return the lines of each file, all of them: blank ones and comments, too."""
    files = CLIENTS.glob("*.mjs")
    return {each.name: len(each.read_text().splitlines()) for each in files}


def test_the_javascript_client_has_at_most_150_lines() -> None:
    """Consuming, reserving, settling and reading, of every rule and in both layouts."""
    assert lengths()["meterdeck.mjs"] <= MOST_LINES


def test_no_line_of_it_is_wider_than_100_characters() -> None:
    """So that 150 lines are lines."""
    wide = [
        (path.name, at, len(line))
        for path in CLIENTS.glob("*.mjs")
        for at, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > WIDEST
    ]

    assert wide == []


@pytest.mark.parametrize("document", ["clients/README.md", "redis-contract.md"])
def test_what_documents_say_of_its_length_is_so(document: str) -> None:
    """Of the client and of what it needs beside it."""
    text = (CLIENTS.parent / document).read_text()

    told = {name: int(lines) for name, lines in TOLD.findall(text)}

    assert told == lengths()
