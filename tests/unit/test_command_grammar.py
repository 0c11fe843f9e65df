"""What words of a command line the grammar takes for arguments."""

import pytest

from meterdeck.core.errors import BadInput
from meterdeck.tui.cli.commands import build_parser


@pytest.mark.parametrize("text", ["-1001234", "-1,500", "-1_0", "-5%", "-3d", " -7"])
def test_a_minus_before_a_digit_begins_no_option(text: str) -> None:
    """A change, a chat's id, an option's value or one of a list: as it was written."""
    parser = build_parser([])

    fired = parser.parse_args(["fire", text, "api_calls", text])
    members = parser.parse_args(["unique", "add", text, "users", text, "ann", text])
    compared = parser.parse_args(["reconcile", "--tenant", "acme", "--tenant", text])
    events = parser.parse_args(["events", "--grep", text, "-n", "3"])

    assert (fired.tenant, fired.quantity) == (text, text)
    assert (members.tenant, members.members) == (text, [text, "ann", text])
    assert compared.tenant == ["acme", text]
    assert (events.grep, events.n) == (text, 3)


def test_a_word_too_many_is_named_as_it_was_written() -> None:
    """With where the help is."""
    with pytest.raises(BadInput) as caught:
        build_parser([]).parse_args(["tenants", "-5x"])

    assert str(caught.value) == "unrecognized arguments: -5x; see: meterdeck --help"
