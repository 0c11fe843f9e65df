"""Every size and colour depth shows what is needed to decide."""

from dataclasses import replace

import pytest
from rich.color import ColorType
from tests.tui.pictures import context
from tests.tui.support import fleet_update, operating

from meterdeck.tui.terminal import prepare, sixteen_colours
from meterdeck.tui.themes import ANSI, DARK, THEMES
from meterdeck.tui.widgets.table_layout import lay_out


@pytest.mark.parametrize("resources", [0, 1, 3, 5, 12])
@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 100, 120, 160, 240, 400])
def test_the_columns_never_take_more_than_there_is(width: int, resources: int) -> None:
    """A column that does not fit is left out, names stay readable."""
    layout = lay_out(width, resources)

    if width >= 40:
        assert layout.identity + sum(layout.cells) + layout.tail <= width
    assert layout.name >= 16
    assert len(layout.cells) + layout.hidden == resources


@pytest.mark.parametrize(
    "size", [(80, 24), (120, 40), (160, 48), (60, 18), (40, 12), (20, 5), (300, 80)]
)
async def test_key_information_is_there_at_every_size(size: tuple[int, int]) -> None:
    """No size raises; from 80×24 on mode, worst tenant and keys are there."""
    async with operating(fleet_update(), size=size) as operator:
        for keys in (("enter",), ("escape", "e"), ("escape", "a"), ("escape",)):
            await operator.press(*keys)
            assert len(operator.lines()) == size[1]
        if size >= (80, 24):
            text = operator.text()
            for needed in ("SANDBOX", "redis", "stripe", "UTC", "Northwind", "FULL"):
                assert needed in text
            assert "? help" in operator.lines()[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_certificate_that_is_not_verified_is_said_on_every_screen(
    size: tuple[int, int],
) -> None:
    """Below the header, whatever else is well; where it is verified nothing is said."""
    trusting = context()
    loose = replace(trusting, redis=replace(trusting.redis, tls_verify=False))
    async with operating(fleet_update(), of=loose, size=size) as operator:
        for keys in ((), ("enter",), ("escape", "e"), ("escape", "H")):
            await operator.press(*keys)
            assert operator.lines()[2].startswith(
                " ! Redis's certificate is NOT verified (redis.tls_verify = false)"
            )


async def test_resizing_keeps_the_selection() -> None:
    """A terminal that shrinks and grows loses nothing."""
    async with operating(fleet_update()) as operator:
        await operator.press("down", "down")
        name = operator.line_with("▌")
        for size in ((80, 24), (20, 5), (120, 40)):
            await operator.pilot.resize_terminal(*size)
            await operator.pilot.pause()

        await operator.until(lambda: "▌" in operator.text())
        assert operator.line_with("▌").split()[1] == name.split()[1]


async def test_narrow_screens_leave_the_event_log_out() -> None:
    """At 80 columns the selected tenant has the whole lower part."""
    async with operating(fleet_update(), size=(80, 24)) as operator:
        text = operator.text()

        assert "Meter events" not in text
        assert "104,000 / 100,000" in text


async def test_every_theme_paints_every_screen() -> None:
    """No theme lacks a colour that a screen needs."""
    async with operating(fleet_update()) as operator:
        for theme in THEMES:
            operator.app.theme = theme.name
            for keys in (("a",), ("escape", "question_mark"), ("escape", "enter")):
                await operator.press(*keys)
            await operator.press("o")

            await operator.sees("Override a limit")
            await operator.press("escape", "escape")


async def test_sixteen_colours_stay_within_the_terminals_own() -> None:
    """On a plain xterm nothing but the sixteen colours is sent."""
    async with operating(fleet_update(), TERM="xterm", COLORTERM="") as operator:
        assert operator.app.theme == ANSI
        strips = operator.app.screen._compositor.render_strips()
        types = {
            colour.type
            for strip in strips
            for segment in strip
            if segment.style
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour
        }

        assert types <= {ColorType.STANDARD, ColorType.DEFAULT}


async def test_levels_are_told_without_colour() -> None:
    """Signs and words stand beside the bars."""
    async with operating(fleet_update(), NO_COLOR="1") as operator:
        text = operator.text()

        for sign in ("FULL", "!!", " !", "∞"):
            assert sign in text


async def test_without_colours_one_sees_where_one_is_in_menus_and_dialogs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A menu's line is underlined; the answer and the button with the focus turned."""
    monkeypatch.setenv("NO_COLOR", "1")  # Textual reads its own
    async with operating(fleet_update(), TERM="xterm", NO_COLOR="1") as operator:

        def marked() -> str:
            strips = operator.app.screen._compositor.render_strips()
            found = (each for strip in strips for each in strip)
            return " ".join(
                each.text
                for each in found
                if each.style and (each.style.reverse or each.style.underline)
            )

        await operator.press("s", "down")
        await operator.until(lambda: "name" in marked())
        assert "worst" not in marked()

        await operator.press("escape", "o", "up", "up")
        await operator.until(lambda: "[API calls]" in marked())
        assert "Override" in operator.line_with("Cancel")
        assert "Cancel" not in marked()
        await operator.press("shift+tab")
        await operator.until(lambda: "Cancel" in marked())


def test_a_terminal_with_all_colours_gets_the_dark_theme() -> None:
    """The choice is made from what the terminal says of itself."""
    assert not sixteen_colours({"TERM": "xterm-256color"})
    assert not sixteen_colours({"TERM": "xterm", "COLORTERM": "truecolor"})
    assert sixteen_colours({"TERM": "linux"})
    assert sixteen_colours({"TERM": "xterm-256color", "NO_COLOR": ""})
    assert DARK != ANSI


def test_no_colour_is_known_before_textual_is_imported() -> None:
    """Or Textual paints black on black."""
    environ = {"NO_COLOR": "1", "TERM": "xterm-256color"}
    prepare(environ)

    assert environ["TEXTUAL_THEME"] == "ansi-dark"
    assert environ["TEXTUAL_ANIMATIONS"] == "none"


def test_over_ssh_fewer_frames_are_sent_and_a_users_choice_is_kept() -> None:
    """Thirty frames a second over SSH, a hundred and twenty locally."""
    far = {"SSH_CONNECTION": "10.0.0.5 1 10.0.0.1 22", "TERM": "xterm-256color"}
    chosen = {"TEXTUAL_FPS": "10"}
    prepare(far)
    prepare(chosen)

    assert far["TEXTUAL_FPS"] == "30"
    assert chosen["TEXTUAL_FPS"] == "10"
