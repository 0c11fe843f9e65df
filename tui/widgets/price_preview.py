"""What the price that is being written costs: its curve and a few quantities."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from meterdeck.core.model.catalogue_sight import price_name
from meterdeck.core.model.prices import PriceForm, PriceInfo
from meterdeck.tui import price_glance
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets import price_sheet
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet

_WAITING = "the curve appears once the amounts can be read"
_FEE = "a fee: the same whatever is used"


class PricePreview(Panel):
    """The curve, or what it waits for."""

    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._form: PriceForm | None = None
        self._currency = ""
        self._said = ""
        self._there: tuple[str, tuple[PriceInfo, ...]] | None = None

    def show(self, form: PriceForm, currency: str, *, metered: bool) -> None:
        """Show a price."""
        self._there = None
        self._form, self._currency = form, currency
        self._said = "" if metered else _FEE
        self.repaint()

    def wait(self) -> None:
        """Keep what was shown last; say what is waited for where there is nothing."""
        self._there = None
        self._said = "" if self._form else _WAITING
        self.repaint()

    def tell(self, title: str, there: Sequence[PriceInfo]) -> None:
        """Show which prices there are already."""
        self._there = (title, tuple(there))
        self.repaint()

    def lines(self) -> list[Strip]:
        sheet = Sheet(self.palette, self.size.width, self.GROUND)
        if self._there is not None:
            return _there(sheet, *self._there)[: self.size.height]
        if self._form is None or self._said:
            return [sheet.text(self._said)] if self._said else []
        said = price_sheet.examples(sheet, self._form, self._currency)
        height = self.size.height - len(said) - 2
        drawn = price_sheet.chart(
            sheet, self._form, self._currency, sheet.width - 1, height
        )
        words = price_sheet.curve_words(self._form, self._currency)
        title = sheet.heading("Costs", words)
        return [title, *map(sheet.strip, [*drawn, Line(), *said])]


def _there(sheet: Sheet, title: str, prices: Sequence[PriceInfo]) -> list[Strip]:
    made = [sheet.heading(title, "" if prices else "none yet")]
    for price in prices:
        line = Line().add(" ", sheet.style(Role.TEXT))
        name = max(sheet.width - 24, 12)
        line.field(price_name(price), name, sheet.style(Role.TEXT))
        words = price_glance.form_words(price)
        line.field(f" {words}", sheet.width - line.width, sheet.style(Role.MUTED))
        made.append(sheet.strip(line))
    return made
