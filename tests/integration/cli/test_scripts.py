"""`meterdeck scripts`: the scripts as files, for programs in other languages."""

import hashlib
from pathlib import Path

from tests.integration.cli.conftest import CommandLine

NAMES = {
    "consume",
    "set_gauge",
    "count_unique",
    "track",
    "settle_queued",
    "claim",
    "settle_delivery",
    "confirm",
    "refuse_late",
    "replay_letter",
    "cancel_event",
    "repair_billing",
    "hold_billing",
    "forget_unsettled",
    "settle",
    "give_back",
    "replay",
    "adjust",
    "set_override",
    "clear_override",
    "keep_samples",
    "write_alerts",
    "next_request",
    "settle_request",
}


def test_the_scripts_are_written_with_the_digests_that_are_printed(
    cli: CommandLine, tmp_path: Path
) -> None:
    """Each file's SHA-1 is the one that EVALSHA takes."""
    folder = tmp_path / "new" / "scripts"

    done = cli("scripts", str(folder), "--json")

    assert done.code == 0
    assert {each["name"] for each in done.json["scripts"]} == NAMES
    assert {path.name for path in folder.iterdir()} == {f"{n}.lua" for n in NAMES}
    for each in done.json["scripts"]:
        text = Path(each["path"]).read_bytes()
        assert text.startswith(b"#!lua\n")
        assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == each["sha1"]


def test_without_a_folder_the_scripts_are_listed(cli: CommandLine) -> None:
    """The same digests, for people and for programs; nothing is written."""
    listed = cli("scripts", "--json").json["scripts"]

    done = cli("scripts")

    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows == [[each["name"], each["sha1"]] for each in listed]
    assert all(each["path"] is None for each in listed)


def test_another_text_is_replaced_by_force_alone(
    cli: CommandLine, tmp_path: Path
) -> None:
    """The same texts once more are no change; a changed one stops all of them."""
    cli("scripts", str(tmp_path))
    assert cli("scripts", str(tmp_path)).code == 0
    changed, missing = tmp_path / "settle.lua", tmp_path / "consume.lua"
    changed.write_text("mine")
    missing.unlink()

    refused = cli("scripts", str(tmp_path))

    assert refused.code == 1
    assert "settle.lua has another text; --force replaces it" in refused.err
    assert changed.read_text() == "mine"
    assert not missing.exists()
    assert cli("scripts", str(tmp_path), "--force").code == 0
    assert changed.read_text() != "mine"


def test_a_folder_that_cannot_be_is_said(cli: CommandLine, tmp_path: Path) -> None:
    """Exit code 2 and one sentence."""
    (tmp_path / "file").write_text("x")

    done = cli("scripts", str(tmp_path / "file" / "scripts"))

    assert done.code == 2
    assert "cannot be written: Not a directory" in done.err
