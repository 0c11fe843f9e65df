"""What commands print, and that the grammar is documented."""

import argparse
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterdeck.core.model.acl.roles import Role
from meterdeck.tui.cli.commands import build_parser
from meterdeck.tui.cli.man_page import man_page
from meterdeck.tui.cli.output import Cell, Output, Row, Tone, width_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_columns_are_aligned_by_cells_not_characters() -> None:
    """Wide characters take two cells, combining ones none."""
    stream = io.StringIO()
    rows: list[Row] = [
        ("日本", Cell("1", right=True), "x"),
        ("e\u0301", "1000", "x"),
        ("abc",),
    ]

    Output(as_json=False, stream=stream).table(rows)

    lines = stream.getvalue().splitlines()
    assert lines == ["日本     1  x", "e\u0301     1000  x", "abc"]
    assert {width_of(line) for line in lines[:2]} == {13}


def test_colour_is_put_around_text_that_was_made_visible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An escape in the text is a picture of one; ours is real."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    Output(as_json=False, stream=stream).line(Cell("\x1b[2J", Tone.HIGH))

    assert stream.getvalue() == "\x1b[31m␛[2J\x1b[0m\n"


@pytest.mark.parametrize(
    ("percent", "filled", "tone"),
    [
        (0, 0, Tone.LOW),
        (1, 1, Tone.LOW),
        (70, 14, Tone.LOW),
        (71, 14, Tone.NEAR),
        (91, 18, Tone.HIGH),
        (99, 19, Tone.HIGH),
        (100, 20, Tone.HIGH),
        (5000, 20, Tone.HIGH),
    ],
)
def test_a_bar_is_full_at_the_limit_only(percent: int, filled: int, tone: Tone) -> None:
    """Anything used shows; yellow begins above 70 %, red above 90 %."""
    stream = io.StringIO()
    out = Output(as_json=False, stream=stream)
    bar = out.bar(percent)

    out.table([[bar]])

    assert stream.getvalue() == "█" * filled + "░" * (20 - filled) + "\n"
    assert bar.tone is tone


class _Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_a_row_takes_one_line_of_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars get shorter and texts are cut, numbers never, whatever the names."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    stream = _Terminal()
    out = Output(as_json=False, stream=stream)

    out.table(
        [
            ["amalgamated-society-of-chart-drawers", "東京測量" * 8, out.bar(78)],
            ["acme", "Acme", out.bar(5), Cell("12,345,678", right=True)],
        ]
    )

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(width_of(line) <= columns for line in lines)
    assert lines[1].endswith("12,345,678")
    assert "…" in lines[0]


def test_json_is_ascii_on_one_line() -> None:
    """No control character of anybody's gets out, whatever the locale."""
    stream = io.StringIO()

    Output(as_json=True, stream=stream).object({"name": "é\x1b\n\udc80"})

    printed = stream.getvalue()
    assert printed.isascii()
    assert printed.count("\n") == 1
    assert json.loads(printed)["name"] == "é\x1b\n\udc80"


def commands(
    parser: argparse.ArgumentParser, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield every command with its parser."""
    found = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not found:
        yield names, parser
    for action in found:
        for name, inner in action.choices.items():
            yield from commands(inner, (*names, name))


def test_every_command_is_documented() -> None:
    """Its name and its own options stand in docs/command-line.md."""
    text = DOCUMENT.read_text()

    for names, parser in commands(build_parser([])):
        assert " ".join(names) in text
        for action in parser._actions:
            for option in action.option_strings:
                if option.startswith("--") and option != "--help":
                    assert option in text, (names, option)


def test_the_manual_page_has_every_exit_code() -> None:
    """Those of docs/command-line.md, in their order."""
    documented = re.findall(r"^\| (\d+) \|", DOCUMENT.read_text(), re.M)

    assert re.findall(r"^\.IP (\d+)$", man_page(), re.M) == documented


def test_commands_about_roles_name_every_role() -> None:
    """They are written out there: the model of the roles is read only when needed."""
    parsers = dict(commands(build_parser([])))

    for name in ("acl", "doctor"):
        said = parsers[(name,)].format_help()
        assert [role for role in Role if role not in said] == []


def test_nothing_stands_twice_in_a_table_of_the_command_line() -> None:
    """Neither a command, a key or an exit code, nor what is said of one."""
    for table in re.findall(r"(?:^\|.*\n)+", DOCUMENT.read_text(), re.M):
        rows = [re.split(r"(?<!\\)\|", line)[1:3] for line in table.splitlines()[2:]]
        for cells in zip(*rows, strict=True):
            assert sorted(set(cells)) == sorted(cells)
