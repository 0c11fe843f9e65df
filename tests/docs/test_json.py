"""docs/reference/schemas.json has every command that prints JSON.

What they really print is held against it wherever the tests of the command line run a
command with `--json` (tests/integration/cli/conftest.py), and here for a few.
"""

import pytest
from tests.integration.cli.test_read_only import leaves
from tests.support.schemas import definitions, problems

from meterdeck.tui.cli.commands import build_parser


def test_every_command_that_prints_json_has_a_schema() -> None:
    """And the file has none of a command that there is not."""
    having = {
        name
        for name, parser in leaves(build_parser([]))
        if any("--json" in each.option_strings for each in parser._actions)
    }
    shared = {name for name in definitions() if name.startswith("a ")}

    assert set(definitions()) - shared == having | {"catalogue", "error"}


@pytest.mark.parametrize(
    ("printed", "problem"),
    [
        ({}, "error has no error"),
        ({"error": {"type": "NotFound"}}, "error.error has no message"),
        ({"error": {"type": 3, "message": ""}}, "error.error.type is 3, not string"),
        (
            {"error": {"type": "", "message": "", "more": 1}},
            "error.error.more is not in the schema",
        ),
    ],
)
def test_what_is_not_as_the_schema_says_is_found(printed: object, problem: str) -> None:
    """A missing key, another type, a key that is not documented."""
    assert problem in problems(["error"], printed)
