"""The catalogue in the console: what is sold, what it costs, who uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from tests.tui.catalogue_pictures import ACCOUNT, CALLS, TENANTS, hostile
from tests.tui.pictures import believable, context, first_picture, logged
from tests.tui.support import Operator, operating
from tests.tui.test_event_ledger import PAYLOADS
from tests.tui.test_hostile_text import control_bytes
from textual.widgets import Button

from meterdeck.core.errors import StripeUnreachable, UnknownOutcome
from meterdeck.core.model.catalogue import Account, Catalogue, MeterSpec
from meterdeck.core.model.context import Context, Mode
from meterdeck.tui.dialogs.outcome import OutcomeDialog
from meterdeck.tui.dialogs.switch import SwitchDialog
from meterdeck.tui.screens.catalogue import CatalogueScreen
from meterdeck.tui.screens.fleet import FleetScreen
from meterdeck.tui.screens.tenant import TenantScreen
from meterdeck.tui.widgets.catalogue_detail import CatalogueDetail
from meterdeck.tui.widgets.catalogue_list import CatalogueList

QUIET = replace(first_picture(believable()), events=())
DECLARED = Catalogue(
    {
        "calls": MeterSpec("calls", CALLS.event_name, CALLS.display_name),
        "images": MeterSpec("images", "images", "Pictures"),
        "new": MeterSpec("new", "new", "New"),
    }
)


@asynccontextmanager
async def looking(
    sold: Account = ACCOUNT,
    *,
    first: int = 100,
    of: Context | None = None,
    size: tuple[int, int] = (120, 40),
    **environ: str,
) -> AsyncIterator[Operator]:
    """Open the catalogue."""
    async with operating(QUIET, of=of or context(), size=size, **environ) as operator:
        operator.engine.catalogue.sold = sold
        operator.engine.catalogue.first = first
        await operator.press("c")
        await operator.until(lambda: isinstance(operator.app.screen, CatalogueScreen))
        await operator.pilot.pause()
        yield operator


async def test_prices_stand_below_their_meter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """State, form, newest event, tenants, and how each stands to what is declared.

    `i` shows what is inactive, `/` filters; an update without news sends nothing.
    """
    async with looking(of=replace(context(), catalogue=DECLARED)) as operator:
        calls = operator.line_with("API calls  sum of api_requests")
        assert calls[:60].split()[-3:] == ["5", "min", "9"]
        assert "= ●" in calls
        assert "graduated, 3 tiers" in operator.line_with("+ ├─ calls_graduated")
        assert "5.00 USD per 10" in operator.line_with("└─ storage_packs")
        assert "99.00 USD a month" in operator.line_with("└─ pro_monthly")
        assert "!" in operator.line_with("exports_each")
        assert "≠ ●" in operator.line_with("Images  sum")
        assert "1 declared and missing" in operator.lines()[1]
        assert "as declared" in operator.line_with("● API calls      ")
        assert "─ calls_2019" not in operator.text()

        sent: list[object] = []
        await operator.push(replace(QUIET, events=(logged(believable()[0]),)))
        assert "< 1 min" in operator.line_with("API calls  sum")
        for kind in (CatalogueList, CatalogueDetail):
            monkeypatch.setattr(kind, "refresh", lambda *regions: sent.append(regions))
        await operator.push(replace(QUIET, tenants=(), counters=()))
        assert isinstance(operator.app.screen, CatalogueScreen)
        operator.app.screen.tick()
        assert sent == []
        monkeypatch.undo()
        assert operator.engine.catalogue.reads == 1

        await operator.press("i")
        assert "archived" in operator.line_with("─ calls_2019")
        await operator.press("slash")
        await operator.type("2019")
        await operator.press("enter")
        assert "API calls  sum" in operator.text()
        assert "─ calls_each" not in operator.text()
        await operator.press("slash")
        await operator.type("key:2019 | product:nobody")
        assert "─ calls_2019" in operator.text()
        assert "─ calls_each" not in operator.text()
        await operator.press("enter", "slash", "z")
        await operator.sees("nothing fits the filter")
        await operator.press("escape")
        await operator.sees("─ calls_each")


async def test_a_price_is_drawn_with_tiers_curve_and_tenants() -> None:
    """Amounts as money, numbers at the axes; at 80×24 without colour, and larger.

    Of the chosen one all its tenants are read, not only the first hundred. Enter goes
    through them, the largest usage first, and opens one.
    """
    async with looking(first=5, size=(80, 24), NO_COLOR="1") as operator:
        sold = operator.engine.catalogue
        active = tuple(price.id for price in ACCOUNT.prices if price.active)
        assert sold.asked == [(active, 100)]
        assert operator.line_with("─ calls_graduated").endswith(" 5+ ")
        await operator.press("down", "down")
        await operator.until(lambda: len(sold.asked) > 1, "more of the chosen one")
        assert sold.asked[1:] == [(("price_calls_graduated",), 1_000)]
        for size in ((120, 40), (80, 24)):
            await operator.pilot.resize_terminal(*size)
            await operator.sees("● calls_graduated")

            text = operator.text()
            assert "0.01 USD" in operator.line_with("1 – 1,000 ")
            assert "+ 5.00 USD" in operator.line_with("1,001 – 10,000")
            tiers = ("1 – 1,000 ", "1,001 – 10,000", "10,001 – …")
            bars = [operator.line_with(units).count("━") for units in tiers]
            assert bars == [12, 6, 1]
            for needed in ("USD └", "25,000", "10,000 cost 60.00 USD", "Tenants  9"):
                assert needed in text
            assert any(0x2800 < ord(ch) < 0x2900 for ch in text)
            assert "? help" in operator.lines()[-1]

        await operator.press("enter")
        assert "Catalogue" not in operator.lines()[2]
        assert "6,250,000" in operator.line_with("▌")
        await operator.press("down", "enter")
        assert isinstance(operator.app.screen, TenantScreen)
        assert operator.app.screen.subject in TENANTS
        await operator.press("escape", "escape")
        assert "▌" in operator.line_with("─ calls_graduated")
        await operator.press("escape")
        assert isinstance(operator.app.screen, FleetScreen)


async def test_an_empty_account_says_what_to_do_next() -> None:
    """What cannot be read is said and asked again; what was there before stays."""
    async with operating(QUIET) as operator:
        sold = operator.engine.catalogue
        sold.error, sold.sold = StripeUnreachable("Stripe does not answer"), Account()
        await operator.press("c")
        await operator.sees("Stripe does not answer")
        await operator.press("r")
        await operator.sees("m creates a meter, n a price")
        assert "meterdeck catalogue import" in operator.text()

        sold.sold = ACCOUNT
        await operator.press("r")
        await operator.sees("─ calls_graduated")
        sold.error = StripeUnreachable("gone again")
        await operator.press("r")
        await operator.until(lambda: "gone again" in operator.notices())
        assert "─ calls_graduated" in operator.text()


async def test_what_is_sold_is_ended_by_a_dialog_that_says_what_follows() -> None:
    """Cancel has the focus; one operation id each; the account is read anew."""
    async with looking() as operator:
        done = operator.engine.catalogue.done
        await operator.press("x")
        text = await operator.sees("Deactivate a meter")
        for needed in (
            "Stripe refuses every event named api_requests",
            "3 active prices will bill no new usage",
            "9 tenants have a price of it",
            "API calls: counters go on",
            "the event name stays its own for good",
        ):
            assert needed in text
        assert operator.app.focused is operator.app.screen.query_one("#cancel", Button)
        await operator.press_anew("enter")
        assert done == []

        await operator.press("x", "ctrl+s")
        await operator.until(lambda: operator.engine.catalogue.reads == 2)
        await operator.press("down", "down", "x")
        await operator.sees("9 tenants have it, keep it and are billed by it")
        await operator.press("ctrl+s", "i", "down", "down", "x")
        await operator.sees("new subscriptions can have it again")
        await operator.press("ctrl+s")

        assert [change[:2] for change in done] == [
            ("deactivate", CALLS.id),
            ("archive", "price_calls_graduated"),
            ("activate", "price_calls_2019"),
        ]
        assert len({operation_id for *_, operation_id in done}) == 3


async def test_a_live_context_has_its_name_typed_and_a_lost_answer_is_unknown() -> None:
    """ctrl+s does nothing before; asking again repeats the same operation."""
    live = context(Mode.LIVE, name="production")
    async with looking(of=live, size=(80, 24)) as operator:
        sold = operator.engine.catalogue
        await operator.press("x", "ctrl+s")
        assert isinstance(operator.app.screen, SwitchDialog)
        assert sold.done == []
        operator.app.screen.query_one("#typed").focus()
        await operator.type("production")
        sold.error = UnknownOutcome("POST /deactivate", "op-1")
        await operator.press("ctrl+s")

        await operator.until(lambda: isinstance(operator.app.screen, OutcomeDialog))
        assert "the answer was lost" in operator.text()
        await operator.press_anew("right", "enter")
        first, second = sold.done
        assert first == second


async def test_no_control_byte_of_the_catalogue_reaches_the_screen() -> None:
    """Names, keys and ids: in the list, in full, in dialogs and forms."""
    async with looking(hostile(*PAYLOADS), size=(80, 24)) as operator:
        for keys in (("x",), ("escape", "down"), ("x",), ("escape", "n"), ("tab",)):
            await operator.press(*keys)
            assert not control_bytes(operator)
        await operator.press("escape")
        for _ in range(7):
            await operator.press("down")
            assert not control_bytes(operator)
