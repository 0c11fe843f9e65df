"""`meterdeck handoff`, and what `override list` says of ends."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from tests.integration.cli.conftest import CommandLine

from meterdeck.core.model.periods import calendar_month

REASON = ("--reason", "launch week")


@pytest.fixture
def busy(cli: CommandLine, store: redis.Redis, acme: str) -> str:
    """A tenant over its plan's limit, allowed by an override that ends soon."""
    month = calendar_month(datetime.now(UTC)).label
    store.set(f"usage:{acme}:api_calls:{month}", 104_000)
    words = ("override", "set", acme, "api_calls", "105000", "--until", "90m")
    assert cli(*words, *REASON).code == 0
    store.set(f"usage:{acme}:storage_gb:{month}", "many")
    return acme


def test_the_note_tells_what_is_at_risk_ends_and_was_changed(
    cli: CommandLine, busy: str
) -> None:
    """To standard output, from one look at Redis."""
    done = cli("handoff")

    assert done.code == 0
    assert done.out.startswith("# Shift handoff: staging (test)\n")
    assert "for the 8 h 0 m since" in done.out
    assert f"| Acme Corp `{busy}` | `api_calls` | 104,000 | 105,000 | 99 |" in done.out
    assert "**100,000 (plan pro): refused at once, 4,000 over**" in done.out
    assert (
        f"| override:set | `{busy}` | `api_calls` | no override → 105,000" in done.out
    )
    assert "This context has no Stripe." in done.out
    assert "Not read" not in done.out


def test_the_note_is_a_new_file_and_never_over_another(
    cli: CommandLine, busy: str, tmp_path: Path
) -> None:
    """Its owner's alone; JSON has the same as data."""
    path = tmp_path / "note.md"

    done = cli("handoff", "--since", "2h", "--output", str(path), "--json").json

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == done["markdown"]
    [risk], [override] = done["at_risk"], done["overrides"]
    assert (risk["tenant"], risk["percent"]) == (busy, 99)
    assert (override["then"], override["over_then"]) == ("refused", 4_000)
    assert done["not_read"] == {}
    again = cli("handoff", "--output", str(path))
    assert again.code == 1
    assert f"{path} is there already; nothing is overwritten" in again.err
    for wrong in ("tomorrow", "2999-01-01"):
        assert cli("handoff", "--since", wrong).code == 2
    assert cli("handoff", "--context", "away").code == 3


def test_override_list_says_what_happens_at_the_end(
    cli: CommandLine, busy: str
) -> None:
    """In words, and as fields."""
    assert "→ 100,000 (plan pro): refused at once, 4,000 over" in cli(
        "override", "list"
    ).out.replace("  ", " ")
    [listed] = cli("override", "list", busy, "--json").json["overrides"]
    assert listed["limit_then"] == 100_000
    assert (listed["then"], listed["full_at"]) == ("refused", None)
