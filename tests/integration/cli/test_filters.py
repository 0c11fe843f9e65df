"""`--filter` and `--view`: the console's filters on the command line."""

from pathlib import Path

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.integration.cli.test_reading import month

from meterdeck.core.services.fleet_groups import GroupBy
from meterdeck.tui.memory import FILE_NAME, Memory
from meterdeck.tui.views import View, Views

__all__ = ["month"]


def ids(cli: CommandLine, *words: str) -> list[str]:
    """The tenants that are listed."""
    return [tenant["id"] for tenant in cli("tenants", *words, "--json").json["tenants"]]


@pytest.fixture
def views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Views:
    """The views of a user without any of their own."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path))
    return Views(Memory(tmp_path / FILE_NAME))


def test_tenants_are_found_by_the_same_filters_as_in_the_console(
    cli: CommandLine, store: redis.Redis, acme: str, month: str, views: Views
) -> None:
    """Shares, plans, words; views that are always there, and those that were saved."""
    store.set(f"usage:acme:api_calls:{month}", 95_000)
    store.set(f"usage:legacy:api_calls:{month}", 1_000)
    views.save(View("mine", "plan:pro | legacy", "name", True, GroupBy.PLAN))

    assert ids(cli, "--filter", "plan:pro api_calls>90%") == ["acme"]
    assert ids(cli, "--filter", "!plan:pro") == ["legacy"]
    assert ids(cli, "--filter", "acmcrp") == ["acme"]
    assert ids(cli, "--view", "at limit") == ["legacy"]
    assert ids(cli, "--view", "mine") == ["legacy", "acme"]
    assert ids(cli, "--view", "mine", "--filter", "acme") == ["acme"]
    assert cli("tenants", "--view", "no").code == 2


def test_other_commands_are_about_the_tenants_that_a_filter_takes(
    cli: CommandLine, store: redis.Redis, acme: str, month: str
) -> None:
    """Overrides and audit trails of them alone, events of nobody else."""
    store.set(f"usage:legacy:api_calls:{month}", 5)
    for tenant in ("acme", "legacy"):
        words = (tenant, "api_calls", "7", "--until", "3d", "--reason", "x", "--yes")
        assert cli("override", "set", *words).code == 0
        assert cli("adjust", tenant, "api_calls", "+1", "--reason", "y").code == 0

    listed = cli("override", "list", "--filter", "plan:pro", "--json").json
    audited = cli("audit", "--filter", "plan:none", "-n", "1", "--json").json
    nobody = cli("events", "--filter", "plan:pro is:broken", "--json").json

    assert [each["tenant"] for each in listed["overrides"]] == ["acme"]
    assert [each["tenant"] for each in audited["entries"]] == ["legacy"]
    assert audited["next"] is not None
    rest = cli("audit", "--filter", "plan:none", "--before", audited["next"], "--json")
    assert [each["tenant"] for each in rest.json["entries"]] == ["legacy"]
    assert nobody["events"] == []


def test_a_filter_that_is_wrong_is_wrong_use(stripe_cli: CommandLine) -> None:
    """What, where, and what would be right, before anything is read."""
    for words in ("tenants", "override list", "events", "audit", "reconcile"):
        done = stripe_cli(*words.split(), "--filter", "acme plna:pro")

        assert done.code == 2, words
        assert "character 6: there is no field plna; did you mean plan?" in done.err
