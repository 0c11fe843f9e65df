"""The worker's journal: what is told of a mistake that nobody expected."""

import json

import pytest

from meterdeck.core.model.context import Secret
from meterdeck.core.services.sync.flow import Places
from meterdeck.tui.cli.sync import worker_journal


async def deliver() -> None:
    """Fail as no delivery should."""
    raise KeyError(f"value_key {Secret('h1dden-word').reveal()}")


@pytest.mark.shows_secrets("pytest's own copy of the log quotes the mistake")
@pytest.mark.parametrize("as_json", [False, True])
async def test_a_mistake_in_a_delivery_is_told_with_what_and_where_it_was(
    capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    """Else all that is known is that there was one; no secret is told with it."""
    places = Places(4)
    with worker_journal(as_json=as_json, once=False):
        places.begin(deliver())
        await places.wait_all()
        printed = capsys.readouterr()

    (line,) = (printed.out if as_json else printed.err).splitlines()
    if as_json:
        told = json.loads(line)
        assert (told["level"], told["event"]) == ("error", "delivery_failed")
        assert told["error"] == "KeyError('value_key ••••')"
        assert told["trace"].startswith("test_journal.py:")
        assert told["trace"].endswith(" deliver")
    else:
        assert " error   delivery_failed error=" in line
        assert "KeyError('value_key ••••')" in line
        assert "test_journal.py:" in line
