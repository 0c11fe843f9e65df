"""Every page is followed as it is written, by somebody who types what stands there.

How a page says what it needs. All of it is in HTML comments, each in a line of its own:
on the page nobody sees them, so whatever they say has to be said in words as well.

At the top of a page:

    <!-- needs: meterdeck sandbox --no-traffic -->

runs that command beside the page, as the reader is told to. Pages that need the same
share one, so use tenants of your own, and leave no fault behind. Without it a page gets
a home folder in which nothing runs.

Blocks are run from the top of a page to its end, in one shell:

    ```console   `$ ` begins a command (`> ` or a backslash go on with it). What follows
                 is what it prints; nothing: that is not compared. See transcript.py for
                 what is equal: `…` is anything in a line, alone any number of lines.
    ```sh        All of it has to end with 0.
    ```python    A program of its own.
    ```toml      Settings: they are read as a part of a whole configuration.
    ```json      Is read.

Right above a block:

    <!-- ends with: 1 -->              its last command ends so, and not with 0
    <!-- until -->                     it is repeated until it prints that, 45 s at most
    <!-- another terminal: NAME -->    it stays; what it prints is waited for
    <!-- file: NAME -->                no program but a file, that the reader writes
    <!-- tested by: tests/x.py -->     that test runs it
    <!-- not run: REASON -->           cannot be run here; counted below

and anywhere `<!-- ctrl-c: NAME -->` ends what was started in that terminal.

Blocks of other kinds (http, text, …) are not run, and no command may stand in one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.docs.conftest import Follow
from tests.docs.pages import ROOT, Block, Page, all_pages

RUN = ("console", "sh", "python", "toml")
SHOWN = ("", "text", "http", "ini", "js", "json", "lua")
MARKS = {
    "needs", "ends with", "until", "another terminal", "file", "tested by", "not run",
    "ctrl-c",
}  # fmt: skip
NOT_RUN_AT_MOST = 30
PAGES = all_pages()
BLOCKS = [block for page in PAGES for block in page.blocks]


def to_follow() -> list[Page]:
    """Return the pages with something to do, those of the same needs together."""
    pages = [p for p in PAGES if any(b.language in RUN for b in p.blocks)]
    return sorted(pages, key=lambda page: page.needs)


def is_runbook(page: Page) -> bool:
    """Whether `test_runbooks.py` follows it."""
    return page.path.startswith("docs/runbooks/") or page.path == "docs/tutorial.md"


@pytest.mark.parametrize(
    "page",
    [page for page in to_follow() if not is_runbook(page)],
    ids=lambda page: page.path,
)
def test_a_page_can_be_followed_as_it_is_written(page: Page, follow: Follow) -> None:
    """Each command ends as it should, and prints what is shown."""
    follow(page)


def test_every_block_is_of_a_kind_that_is_known() -> None:
    """No command hides in a block that is not run."""
    unknown = [b.place for b in BLOCKS if b.language not in RUN + SHOWN]
    hidden = [
        block.place
        for block in BLOCKS
        if block.language in ("", "text") and _is_command(block)
    ]
    marks = {m.name for b in BLOCKS for m in b.marks} - MARKS

    assert (unknown, hidden, marks) == ([], [], set())


def test_what_cannot_be_run_says_why() -> None:
    """Few blocks are left out, each with its reason, or with the test that runs it."""
    left = [b for b in BLOCKS if b.mark("not run") is not None]
    elsewhere = [b for b in BLOCKS if b.mark("tested by") is not None]
    for block in left:
        print(f"not run: {block.place}: {block.mark('not run')}")

    assert [b.place for b in left if len(b.mark("not run") or "") < 15] == []
    assert [b.place for b in elsewhere if not _is_test(b.mark("tested by"))] == []
    assert len(left) <= NOT_RUN_AT_MOST


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "json"], ids=lambda block: block.place
)
def test_json_that_is_shown_is_json(block: Block) -> None:
    """It can be copied into a test."""
    whole = block.text.startswith(("{\n", "[\n"))
    for text in [block.text] if whole else block.text.splitlines():
        json.loads(text)


def _is_command(block: Block) -> bool:
    lines = block.text.splitlines()
    return any(line.startswith(("$ ", "meterdeck ")) for line in lines)


def _is_test(path: str | None) -> bool:
    return (ROOT / Path(path or "")).is_file()
