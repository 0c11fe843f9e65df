"""Names and values from outside are data on every screen."""

import csv
import io
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.tenants import but
from tests.support.well import WELL, WORKER
from tests.tui import test_previews
from tests.tui.bending import PAYLOAD, bent
from tests.tui.drift_pictures import missing, passed, row_of
from tests.tui.pictures import (
    NOW,
    RESOURCES,
    counters,
    first_picture,
    logged,
    tenant,
)
from tests.tui.support import Operator, fleet_update, operating
from tests.tui.test_gate import ACT
from tests.tui.test_previews import concrete
from tests.tui.test_snapshots import WAYS, have_something_to_show, screens_under
from textual.screen import Screen
from textual.widgets import Input

from meterdeck.core.model.acl.own_rights import RedisUser
from meterdeck.core.model.acl.rights import Right
from meterdeck.core.model.events import EventOutcome
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.health import Sending, Trouble
from meterdeck.core.model.usage import Broken, PlanName, ResourceName, TenantId
from meterdeck.tui.actions import BY_ID
from meterdeck.tui.dialogs.barred import BarredDialog
from meterdeck.tui.dialogs.decision import decision_dialog
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.screens.area import AreaScreen
from meterdeck.tui.taking.sheets import as_csv

PAYLOADS = (
    "[bold red]x[/]",
    "[@click=app.quit]quit[/]",
    "[/nope]",
    "[link=https://x]y[/link] [$x]",
    "\x1b[31mred\x1b[0m\x07",
    "\x1b]52;c;AAAA\x07",
    "\x9b2J \x00 \x7f",
    "a\r\nb\tc",
    "\u202eevil \u200b\ufeff",
    "\ud800 lone",
    "株式会社みどり 🚀👩\u200d🚀",
    "N" * 64,
)


def picture() -> WatchUpdate:
    """Return a fleet whose every text is a payload."""
    tenants = tuple(
        but(tenant(text, text), customer=text, subscription=text, plan=PlanName(text))
        for text in PAYLOADS
    )
    base = first_picture([but(t, limits=tenant("x").limits) for t in tenants])
    values: dict[TenantId, int | Broken] = {
        t.id: Broken(f"'{t.id}'") if n % 2 else -1500 for n, t in enumerate(tenants)
    }
    events = tuple(
        logged(t, value=t.id[:9], outcome=EventOutcome.REFUSED, message=t.id)
        for t in tenants
    )
    batches = (counters(0, values), *base.counters[1:])
    return replace(base, counters=batches, events=events)


def control_bytes(operator: Operator) -> set[str]:
    """Return the characters on the screen that a terminal would act on."""
    return {
        ch
        for line in operator.lines()
        for ch in line
        if unicodedata.category(ch) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }


async def test_markup_is_shown_as_it_is_and_fires_nothing() -> None:
    """A click on a name with an action in it is a click on a name."""
    async with operating(picture()) as operator:
        await operator.press("N")
        text = operator.text()
        for shown in ("[bold red]x[/]", "[@click=app.quit]", "[/nope]"):
            assert shown in text

        lines = operator.lines()
        place = next(y for y, line in enumerate(lines) if "[@click=" in line)
        await operator.pilot.click(offset=(6, place))
        await operator.pilot.pause()
        assert operator.app.is_running
        assert operator.app.return_value is None


async def test_a_broken_counter_shows_what_the_key_holds() -> None:
    """`✗ 'abc'` and `✗ a list` stand where the bar would be."""
    owner = tenant("br", "Broken & Sons")
    base = first_picture([owner])
    held = (
        counters(0, {owner.id: Broken("'abc'")}),
        counters(1, {owner.id: Broken("a list")}),
        counters(2, {owner.id: -7}),
    )
    async with operating(replace(base, counters=held)) as operator:
        line = operator.line_with("Broken & Sons")

        assert "✗ 'abc'" in line
        assert "✗ a list" in line
        assert "-7 below 0" in line
        assert "2 unreadable" in operator.lines()[1]


async def test_an_error_with_markup_is_shown_as_it_is() -> None:
    """Notices are made of text, never of markup."""
    async with operating(first_picture([tenant("a")])) as operator:
        operator.app.say("[/nope] [red]x", title="[@click=app.quit]t")

        await operator.sees("[/nope] [red]x")
        assert operator.app.is_running


async def test_hostile_resource_names_are_headings_like_others() -> None:
    """Resources found in Redis carry foreign names, too."""
    odd = replace(RESOURCES[2], name=ResourceName("[b]\x1b[2J"), label="[b]\x1b[2J")
    owner = tenant("a", "Acme")
    base = first_picture([owner])
    batch = replace(base.counters[2], resource=odd)
    update = replace(base, counters=(*base.counters, batch))
    async with operating(update, size=(160, 40)) as operator:
        await operator.sees("[B]␛[2J")
        await operator.press("a")

        assert not control_bytes(operator)


async def test_health_drift_and_pulse_show_what_others_wrote_as_it_is() -> None:
    """Words of workers and of Stripe, names in the last pass, tenants on the wall."""
    async with operating(picture(), size=(160, 44)) as operator:
        words = "".join(PAYLOADS[:10])
        trouble = Trouble(NOW, words, 429, words, words, words)
        worker = replace(WORKER, id=words, problem=words, trouble=trouble)
        assert WELL.stripe is not None
        operator.engine.health.picture = replace(
            WELL,
            stripe=replace(WELL.stripe, trouble=trouble),
            sending=Sending((worker, replace(worker, id="b"))),
        )
        found = [missing(tenant(text, text), 3) for text in PAYLOADS]
        operator.engine.drifting.wrong = found
        held = [replace(row_of(each), held=words) for each in found]
        operator.engine.drifting.passed = replace(passed([]), rows=tuple(held))
        for key, seen in (("p", "nearest"), ("H", "429"), ("D", "held")):
            await operator.press(key)
            await operator.sees(seen)
            assert not control_bytes(operator)
            if key != "D":
                await operator.press("escape")
        await operator.press("r")
        await operator.sees("go out again")
        assert not control_bytes(operator)


ENDING = {"quit", "suspend", "back", "redraw", "theme", "arm", "pause"}
LEADING = {str(area.name).lower() for area in WAYS} | {"open", "inspect"}
"""What they open is walked to by itself."""


async def test_no_control_byte_reaches_any_screen_or_dialog(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All of them, found in the code, with texts of others that are hostile.

    A new screen has to say how it is reached (test_snapshots), and a new dialog what
    it is opened with (test_previews), or which key opens it.
    """
    monkeypatch.chdir(tmp_path)
    wanted = {each.__name__ for each in screens_under(AreaScreen)} | concrete()
    seen: set[str] = set()
    done: set[str] = set()
    async with operating(bent(fleet_update(8)), size=(100, 30)) as operator:
        have_something_to_show(operator)
        bend_engine(operator)
        for area, keys in WAYS.items():
            await operator.press(*keys)
            await look(operator, area.name or "", seen)
            for key, action in keys_of(operator, done):
                depth = len(operator.app.screen_stack)
                await operator.press(key)
                await look(operator, f"{area.name} {action}", seen)
                while len(operator.app.screen_stack) > depth:
                    operator.app.pop_screen()
                    await operator.pilot.pause()
                if isinstance(operator.app.focused, Input):
                    await operator.press("escape")
            operator.app.to_fleet()
            await operator.press("escape")
        for name, dialog in dialogs(operator, monkeypatch):
            operator.app.push_screen(dialog)
            await operator.pilot.pause()
            await look(operator, name, seen)
            operator.app.pop_screen()
    assert seen >= wanted, wanted - seen


async def look(operator: Operator, where: str, seen: set[str]) -> None:
    """Check what is on the screen, and what of it would be written to a file."""
    screen = operator.app.screen
    seen.add(type(screen).__name__)
    assert not control_bytes(operator), f"{where}:\n{operator.text()}"
    if isinstance(screen, AreaScreen) and (sheet := screen.sheet()) is not None:
        for row in csv.reader(io.StringIO(as_csv(sheet))):
            for cell in row:
                assert cell.isprintable(), (where, cell)
                assert not cell.startswith(("=", "+", "@")), (where, cell)


def keys_of(operator: Operator, done: set[str]) -> list[tuple[str, str]]:
    """Return the keys of a screen that open something and were not pressed before."""
    found = []
    for key, one in operator.app.screen.active_bindings.items():
        act = ACT.fullmatch(one.binding.action)
        name = act[1] if act else ""
        if name and name not in done | ENDING | LEADING and not BY_ID[name].writes:
            done.add(name)
            found.append((key, name))
    return found


def dialogs(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Screen[Any]]]:
    """Yield every dialog of a change, made with what is bent."""
    for name, each in vars(test_previews).items():
        if isinstance(each, type) and issubclass(each, Dialog) and each is not Dialog:
            monkeypatch.setattr(test_previews, name, of_bent(each))
    decide = of_bent(decision_dialog)
    monkeypatch.setattr(test_previews, "decision_dialog", decide)
    picture = operator.app.picture
    assert picture is not None
    for name, case in test_previews.CASES.items():
        yield name, case.make(picture)
    user = RedisUser(PAYLOAD, (), PAYLOAD)
    yield "barred", BarredDialog(BY_ID["adjust"], Right.CHANGE, user)


def of_bent(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes a dialog of bent arguments."""
    own = ("approve", "reject", "withdraw", "Ask again")

    def made(*given: Any, **named: Any) -> Any:
        return make(*(each if each in own else bent(each) for each in given), **named)

    return made


def bend_engine(operator: Operator) -> None:
    """Have the engine answer with hostile texts alone."""
    engine = operator.engine
    engine.found_overrides = bent(engine.found_overrides)
    engine.trail = bent(engine.trail)
    engine.costs.known = bent(engine.costs.known)
    engine.drifting.wrong = bent(engine.drifting.wrong)
    engine.drifting.passed = bent(engine.drifting.passed)
    engine.requests.pending = bent(engine.requests.pending)
    engine.requests.answered = bent(engine.requests.answered)
    engine.health.picture = bent(engine.health.picture)
    engine.health.who = RedisUser(PAYLOAD, (), PAYLOAD)
