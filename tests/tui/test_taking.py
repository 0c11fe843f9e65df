"""Copying, exporting and opening the dashboard, from the screen at hand."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
from tests.tui.pictures import context
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.model.context import Mode


def sent_to_clipboard(operator: Operator) -> list[str]:
    """Return texts that are put on the terminal's clipboard from now on."""
    texts: list[str] = []

    def write(data: str) -> None:
        if data.startswith("\x1b]52;c;"):
            texts.append(b64decode(data[7:-1]).decode())

    driver = operator.app._driver
    assert driver is not None
    vars(driver)["write"] = write
    return texts


def by_suffix(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their endings."""
    return {path.suffix: path for path in folder.iterdir()}


async def test_y_twice_copies_the_tenants_id_and_the_menu_has_the_rest() -> None:
    """What on-call pastes into a chat: the id, the customer, the counter's key."""
    async with operating(fleet_update()) as operator:
        copied = sent_to_clipboard(operator)
        subject = operator.app.screen.subject  # type: ignore[attr-defined]
        await operator.press("y")
        assert "customer id" in operator.text()
        await operator.press("y", "y", "4")

        assert copied == [subject, f"usage:{subject}:api_calls:2026-11"]
        assert "sent to the terminal's clipboard" in operator.notices()


async def test_what_is_shown_is_written_to_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filtered and in order, as CSV and JSON; the picture is of the screen."""
    monkeypatch.chdir(tmp_path)
    async with operating(fleet_update()) as operator:
        await operator.press("slash")
        await operator.type("north")
        await operator.press("enter", "E", "c")
        await operator.press("E", "j")
        await operator.press("E", "s")

        notices = operator.notices()
    files = by_suffix(tmp_path)
    assert set(files) == {".csv", ".json", ".svg"}
    rows = json.loads(files[".json"].read_text())["tenants"]
    assert rows
    assert all("north" in row["name"].lower() for row in rows)
    assert len(files[".csv"].read_text().splitlines()) == 1 + len(rows)
    picture = files[".svg"].read_text()
    assert "Northwind" in picture
    assert "Export" not in picture
    assert str(files[".svg"]) in notices


async def test_the_dashboards_address_is_shown_where_there_is_no_browser() -> None:
    """Over SSH; a sandbox's Stripe has none."""
    live = context(Mode.LIVE, name="production")
    async with operating(fleet_update(), of=live, SSH_CONNECTION="1 2 3 4") as operator:
        copied = sent_to_clipboard(operator)
        await operator.press("B")

        [address] = copied
        assert address.startswith("https://dashboard.stripe.com/customers/cus_")
        assert address in operator.notices()
    async with operating(fleet_update()) as operator:
        await operator.press("B")
        assert "has no dashboard" in operator.notices()
