"""The fault panel in the console: switches, counters, and a calm header."""

from dataclasses import replace
from datetime import timedelta

from tests.tui.pictures import NOW, believable, context, logged, update
from tests.tui.support import Operator, fleet_update, operating

from meterdeck.core.errors import StripeUnreachable
from meterdeck.core.model.context import Mode
from meterdeck.core.model.events import EventOutcome
from meterdeck.core.model.faults import OFF
from meterdeck.tui.actions import ACTIONS, refusal
from meterdeck.tui.screens.faults import FaultsScreen


async def _turn_on(operator: Operator, **faults: object) -> None:
    """Have the panel say that faults are on."""
    panel = operator.engine.panel
    panel.sight = replace(panel.sight, faults=OFF.changed(faults))


async def test_a_fault_is_set_by_arrows_switch_and_value() -> None:
    """→ takes the next step, space turns it off and on again, ↵ asks for a value.

    What cannot be is said meanwhile, in the command line's sentence.
    """
    async with operating(fleet_update()) as operator:
        panel = operator.engine.panel
        await operator.press("F", "right", "right")
        assert panel.asked == [{"429": 0.01}, {"429": 0.02}]
        assert "2 %" in operator.line_with("429 rate limit")

        await operator.press("space")
        assert "off" in operator.line_with("429 rate limit")
        await operator.press("space", "down", "enter")
        await operator.type("35")
        await operator.press("ctrl+s")  # refused: it is no share
        assert "lock_timeout cannot be '35'; write a share: 5%" in operator.text()
        await operator.type("%")
        await operator.sees("429 lock timeout  off  →  35 %")
        await operator.press("ctrl+s")
        assert panel.sight.faults == OFF.changed({"429": 0.02, "lock_timeout": 0.35})
        assert "35 %" in operator.line_with("429 lock timeout")


async def test_presets_settling_and_all_off() -> None:
    """p shows what each changes, s shows what waits, x turns everything off."""
    async with operating(fleet_update()) as operator:
        operator.engine.panel.waiting = 3
        await operator.press("F", "p")
        await operator.sees("one answer in four is lost on its way")
        await operator.press("4")
        await operator.sees("cut before off → 5 %, lost reply off → 12 %")
        assert operator.engine.panel.asked == []
        await operator.press("ctrl+s")
        await operator.until(lambda: isinstance(operator.app.screen, FaultsScreen))
        assert "12 %" in operator.line_with("lost reply")
        await operator.sees("4 faults on since 14:02:11")

        await operator.press("s", "s", "x")
        await operator.sees("nothing goes wrong")
        assert "3 things show now that would have later" in operator.notices()
        assert "nothing waited" in operator.notices()
        assert operator.engine.panel.sight.faults == OFF


async def test_the_header_says_that_faults_are_on_and_which() -> None:
    """On every screen; where there is no room for which, that they are."""
    async with operating(fleet_update()) as operator:
        await _turn_on(operator, **{"429": 0.3, "outage": "on"})
        operator.app.faults.look()
        await operator.sees("faults outage until cleared, 429 30 %")
        await operator.press("e")
        assert "faults outage" in operator.lines()[0]
    async with operating(fleet_update(), size=(80, 24)) as operator:
        assert "faults" not in operator.lines()[0]
        await _turn_on(operator, lost=0.05, lock_timeout=0.1)
        operator.app.faults.look()
        await operator.sees("faults on")
        assert "stripe" in operator.lines()[0]


async def test_what_was_injected_and_what_the_sender_made_of_it() -> None:
    """Counters beside each fault; the log's outcomes since the faults were set."""
    tenant = believable()[0]
    outcomes = (EventOutcome.ACCEPTED, EventOutcome.ACCEPTED, EventOutcome.UNKNOWN)
    early = logged(tenant, at=NOW - timedelta(minutes=1), outcome=EventOutcome.BUSY)
    lines = [early, *(logged(tenant, at=NOW, outcome=each) for each in outcomes)]
    async with operating(fleet_update(), size=(80, 24)) as operator:
        await operator.push(update(events=tuple(lines)))
        panel = operator.engine.panel
        panel.sight = replace(
            panel.sight,
            faults=OFF.changed({"lost": 0.2}),
            requests=4_321,
            injected={"lost": 1_204, "429": 17},
        )
        await operator.press("F")
        await operator.sees("1,204")

        assert "20 %" in operator.line_with("lost reply")
        assert "17" in operator.line_with("429 rate limit")
        assert "1,221" in operator.line_with("troubled")
        for label, count in (("✓ accepted", 2), ("? unknown", 1), ("… put off", 0)):
            assert operator.line_with(label).split()[-1] == str(count)

        # Every setting can be reached: the list scrolls, and explains what is chosen.
        await operator.press("G")
        assert "› seed" in operator.text()
        assert "The same seed decides the same" in operator.lines()[-2]

        await operator.press("g")
        assert "› 429 rate limit" in operator.text()
        assert operator.lines()[2].startswith(" Refused")


async def test_a_sandbox_that_does_not_answer_is_said_on_the_panel() -> None:
    """Nothing else of the console is disturbed."""
    async with operating(fleet_update()) as operator:
        operator.engine.panel.error = StripeUnreachable("the sandbox does not answer")
        await operator.press("F")
        operator.app.faults.look()

        await operator.sees("the sandbox does not answer")
        await operator.press("escape")
        assert "the sandbox does not answer" not in operator.text()


async def test_only_a_sandbox_has_a_panel() -> None:
    """Elsewhere the key says so and the footer does not offer it."""
    live = context(Mode.TEST)
    async with operating(fleet_update(), of=live) as operator:
        await operator.press("F")

        assert "only a sandbox's Stripe goes wrong on purpose" in operator.notices()
        assert not isinstance(operator.app.screen, FaultsScreen)
    for action in ACTIONS:
        if action.sandbox:
            assert refusal(action, live)
        if action.rehearses:
            assert "read-only" in refusal(action, context(read_only=True))
