"""The shift handoff in the console: one key writes it, and shows it."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.tui.pictures import NOW, context, first_picture, update
from tests.tui.support import operating
from tests.tui.test_audit_screen import TENANTS, entry
from tests.tui.test_fleet_screen import AWAY
from tests.tui.test_overrides_screen import GONE, SOON

from meterdeck.core.errors import RedisUnreachable
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.markdown import escaped
from meterdeck.tui.picture import Picture
from meterdeck.tui.screens.handoff import HandoffScreen, shift_start


def notes(folder: Path) -> list[Path]:
    """Return what was written there."""
    return sorted(folder.iterdir())


async def test_one_key_writes_the_note_to_a_new_file_and_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner's alone; a second one is a second file; y copies it all."""
    monkeypatch.chdir(tmp_path)
    async with operating(first_picture(TENANTS), size=(80, 24)) as operator:
        operator.engine.found_overrides = (SOON, GONE)
        operator.engine.trail = (entry(5),)
        await operator.press("M")
        text = await operator.sees("26 tenants: 2 at a limit, 5 over 90 %.")
        assert "y copies" in text
        assert "lines below" in text
        await operator.press("M")
        await operator.until(lambda: len(notes(tmp_path)) == 2)
        await operator.press("y", "y")
        copied = operator.app.clipboard

        await operator.press("G")
        assert "checks are fine" in operator.text()
        await operator.press("escape")
        assert not isinstance(operator.app.screen, HandoffScreen)
    first, second = notes(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in (first, second)} == {0o600}
    note = second.read_text()
    assert copied == first.read_text() == note
    assert "**100,000 (plan pro): refused at once, 4,000 over**" in note
    assert "gone_co" not in note  # it ends later than in 12 hours
    assert f"| adjust:add | `{entry(5).tenant}` |" in note


async def test_without_redis_nothing_is_written_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that looks complete and is not would be worse than none."""
    monkeypatch.chdir(tmp_path)
    async with operating(first_picture(TENANTS)) as operator:
        operator.engine.error = RedisUnreachable("Redis is away")
        await operator.press("M")
        await operator.sees("nothing was written: Redis is away")
    assert not notes(tmp_path)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ((), "the console had not read the counters yet"),
        (
            (first_picture(TENANTS), update(NOW + timedelta(minutes=5), redis=AWAY)),
            "Redis did not answer: the console has counters of 2026-11-22 14:02 UTC",
        ),
    ],
)
async def test_nobody_is_said_to_be_safe_by_counters_that_were_not_read(
    seen: tuple[WatchUpdate, ...],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is told from counters says why it is not there; other parts are."""
    monkeypatch.chdir(tmp_path)
    async with operating(*seen) as operator:
        operator.engine.found_overrides = (SOON,)
        operator.engine.trail = (entry(5),)
        await operator.press("M")
        await operator.until(lambda: len(notes(tmp_path)) == 1)

    note = notes(tmp_path)[0].read_text()
    not_read = f"\n\n**Not read:** {escaped(why)}\n"
    assert f"## At risk{not_read}" in note
    assert f"## Overrides that end within 12 h{not_read}" in note
    assert "How many tenants are at a limit was not read." in note
    assert "**Look at:** 2 parts that were not read." in note
    assert f"`{entry(5).tenant}`" in note


@pytest.mark.parametrize(("open_h", "shift_h"), [(0, 8), (10, 10), (300, 24)])
def test_a_shift_begins_with_the_console_within_reason(
    open_h: int, shift_h: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A console that was opened anew tells of the whole shift; an old one of a day."""
    picture = Picture(context())
    monkeypatch.setattr(Picture, "now", lambda self: NOW)
    picture.began = NOW - timedelta(hours=open_h)

    assert shift_start(picture) == NOW - timedelta(hours=shift_h)
