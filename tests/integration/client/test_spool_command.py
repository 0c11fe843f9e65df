"""`meterdeck spool`: what waits on this machine, for people and for programs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.spooled import call

from meterdeck.core.adapters.spool import SpoolFolder
from meterdeck.core.adapters.spool_records import encode
from meterdeck.core.adapters.spool_root import open_root, put_aside
from meterdeck.core.client import SyncMeterClient
from meterdeck.core.model.degraded import Unsettled
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.cli.main import main

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def left(spool_dir: Path) -> SpoolFolder:
    """What a process left: two calls; and one that was put aside."""
    open_root(spool_dir)
    folder = SpoolFolder.create(spool_dir)
    folder.append(encode(call(1)) + encode(call(2)))
    folder.close()
    hostile = replace(call(3), tenant=TenantId("ac\x1b[2Jme"))
    put_aside(spool_dir, Unsettled(hostile, "would pass 2^53"))
    return folder


def test_programs_get_what_waits_and_what_was_put_aside(
    left: SpoolFolder, spool_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No configuration and no server is needed where the directory is named."""
    assert main(["spool", str(spool_dir), "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["directory"] == str(spool_dir)
    (spool,) = answer["spools"]
    assert spool["name"] == left.path.name
    assert spool["pid"] == int(left.path.name.partition("-")[0])
    assert (spool["live"], spool["calls"]) == (False, 2)
    assert spool["oldest_at"] == "2026-11-22T00:00:00Z"
    assert spool["damaged_bytes"] == 0
    (unsettled,) = answer["unsettled"]
    assert unsettled == {
        "at": "2026-11-22T00:00:00Z",
        "tenant": "ac\x1b[2Jme",
        "call_id": "call-3",
        "kind": "use",
        "amounts": {"api_calls": 4},
        "why": "would pass 2^53",
    }


def test_people_get_lines_in_which_nothing_acts_on_the_terminal(
    left: SpoolFolder, spool_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who, how much, since when; and what is left to an operator, with its reason."""
    assert main(["spool", str(spool_dir)]) == 0

    printed = capsys.readouterr().out
    assert "ended  2 calls" in printed
    assert "since 2026-11-22T00:00:00Z" in printed
    assert "ac␛[2Jme  api_calls=4  would pass 2^53" in printed
    assert "\x1b" not in printed


def test_a_running_client_is_found_in_the_contexts_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The one that the library uses by default; Stripe's key is not needed."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "meterdeck.toml"
    config.write_text(f"""
[resources.api_calls]
on_fault = "fail_open"
[contexts.production]
mode = "live"
[contexts.production.redis]
url = "{NOWHERE}"
[contexts.production.stripe]
api_key = {{ env = "NOT_HERE" }}
""")

    with SyncMeterClient.open("production", config=config) as client:
        assert client.consume("acme", {"api_calls": 1}).allowed
        assert main(["spool", "--config", str(config), "--json"]) == 0

    (spool,) = json.loads(capsys.readouterr().out)["spools"]
    assert (spool["live"], spool["calls"]) == (True, 1)


def test_nothing_is_said_to_wait_where_nothing_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty directory is an answer; one that is not there is wrong use."""
    assert main(["spool", str(tmp_path)]) == 0
    assert "nothing waits" in capsys.readouterr().err
    assert main(["spool", str(tmp_path / "none")]) == 2
