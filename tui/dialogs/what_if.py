"""The dialog that reckons another plan, price or usage; it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from meterdeck.core.errors import BadInput, MeterdeckError
from meterdeck.core.model.costs import Comparison, ItemCost, TenantCost
from meterdeck.core.model.quantity import exact_amount, parse_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import PlanName
from meterdeck.core.model.what_if import WhatIf
from meterdeck.tui.dialogs.dialog import Dialog
from meterdeck.tui.money_words import FORECAST_WORDS, quantity_words
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.widgets.choice import Choice
from meterdeck.tui.widgets.comparison import ComparisonView

if TYPE_CHECKING:
    from meterdeck.tui.console import ConsoleApp

TYPING_S = 0.25
"""Stripe may be asked for a price: not before somebody stops typing for so long."""
MOST_USAGES = 4
"""Metered items that have a field; a dialog must fit into 24 lines."""
_AS_IT_IS = "as it is"
_FINEST = 9


class WhatIfDialog(Dialog[None]):
    """Shows what would be different while the fields are filled in."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close: nothing changes"),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
    ]

    class Reckoned(Message):
        """The engine has said what would be different, or why that cannot be told."""

        def __init__(self, number: int, future: Future[Comparison]) -> None:
            self.number = number
            self.future = future
            super().__init__()

    def __init__(self, picture: Picture, cost: TenantCost) -> None:
        super().__init__()
        self._picture = picture
        self._cost = cost
        self._plans: Sequence[PlanName] = tuple(picture.context.plans)
        self._metered = [each for each in cost.items if each.metered][:MOST_USAGES]
        self._asked = 0
        self._wanted: WhatIf | None = None
        self._typing: Timer | None = None

    # -- layout ----------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._heading(), id="heading", markup=False)
            for label, widget, said in self._fields():
                with Horizontal(classes="field"):
                    yield Static(label, classes="label", markup=False)
                    yield widget
                    if said:
                        yield Static(said, classes="aside", markup=False)
            yield ComparisonView()
            yield Static(id="note", markup=False)
            hint = "←→ choose   ↵ next field   esc close"
            yield Static(hint, id="hint", markup=False)

    def _heading(self) -> Content:
        tenant = self._cost.tenant
        identity, name = visible(tenant.id, 64), visible(tenant.name, 64)
        whom = name if name == identity else f"{name} · {identity}"
        return Content.assemble(
            ("What if\n", "bold $md-accent"),
            (whom, "bold $md-bright"),
            (f"  {visible(tenant.plan or 'no plan', 20)}", "$md-muted"),
        )

    def _fields(self) -> Iterator[tuple[str, Widget, str]]:
        if self._plans:
            names = [visible(each, 16) for each in self._plans]
            yield "Plan", Choice([_AS_IT_IS, *names], id="plan"), ""
        price = Input(placeholder="lookup key or id", id="price", compact=True)
        yield "Price", price, ""
        if self._metered:
            yield "Used", Choice(["by the period's end", "so far"], id="when"), ""
        for number, item in enumerate(self._metered):
            field = Input(placeholder="as it is", id=f"used-{number}", compact=True)
            yield visible(item.label, 12), field, _expected(item)

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.cursor_blink = False
        self.query_one(ComparisonView).show(Comparison(self._cost, self._cost))
        self._say("")

    # -- what the fields say ---------------------------------------------------

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_S, self.look)

    @on(Input.Submitted)
    @on(Choice.Left)
    def _entered(self) -> None:
        self.focus_next()

    def look(self) -> None:
        """Have what the fields say reckoned, unless it is the same as before."""
        try:
            wanted = self._read()
        except BadInput as problem:
            self._wanted = None
            self._asked += 1
            self._say(str(problem), missing=True)
            return
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._asked += 1
        if wanted.empty:
            self.query_one(ComparisonView).show(Comparison(self._cost, self._cost))
            self._say("")
            return
        number, cost = self._asked, self._cost
        runtime = cast("ConsoleApp", self.app).runtime
        future = runtime.submit(lambda engine: engine.costs.imagine(cost, wanted))
        tell(self, future, lambda done: self.Reckoned(number, done))

    def _read(self) -> WhatIf:
        plan = self._chosen("plan")
        price = self.query_one("#price", Input).value.strip()
        usage = dict(self._usage())
        return WhatIf(
            self._plans[plan - 1] if plan else "",
            (price,) if price else (),
            usage,
            so_far=bool(usage) and self._chosen("when") == 1,
        )

    def _usage(self) -> Iterator[tuple[str, Decimal]]:
        for number, item in enumerate(self._metered):
            text = self.query_one(f"#used-{number}", Input).value.strip()
            if not text:
                continue
            scale = self._scale(item)
            units = exact_amount(parse_quantity(text, scale), scale)
            # Of several resources on one meter their sum is asked for.
            alone = len(item.resources) == 1
            yield (item.resources[0] if alone else item.event_name), units

    def _scale(self, item: ItemCost) -> int:
        known = self._picture.context.resources
        return max(
            (each.scale for each in known if each.name in item.resources),
            default=_FINEST,
        )

    def _chosen(self, field: str) -> int:
        found = self.query(f"#{field}").results(Choice)
        return next((each.chosen for each in found), 0)

    # -- what comes of it ------------------------------------------------------

    def on_what_if_dialog_reckoned(self, message: Reckoned) -> None:
        if message.number != self._asked:
            return  # of what stood in the fields before
        error = message.future.exception()
        if error is None:
            found = message.future.result()
            self.query_one(ComparisonView).show(found)
            self._say(" · ".join(found.notes))
        elif isinstance(error, MeterdeckError):
            self._say(str(error), missing=True)
        else:
            raise error

    def _say(self, text: str, *, missing: bool = False) -> None:
        note = self.query_one("#note", Static)
        said = text or "Reckoned for the running period; nothing is changed."
        note.update(Content(visible(said, 240)))
        note.set_class(missing, "-missing")

    def action_close(self) -> None:
        self.dismiss(None)


def _expected(item: ItemCost) -> str:
    if item.forecast is None:
        return f"{quantity_words(item.measured.quantity)} so far"
    words = FORECAST_WORDS[item.forecast.basis]
    return f"{quantity_words(item.forecast.quantity)} {words}"
