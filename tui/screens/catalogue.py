"""What is sold: meters, their prices, and who uses them."""

from __future__ import annotations

from concurrent.futures import Future
from importlib import import_module
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.catalogue_sight import (
    CatalogueSight,
    Findings,
    MeterSight,
    PriceSight,
    compared,
    sight_of,
)
from meterdeck.core.model.filter.completion import record_hints
from meterdeck.core.services.fleet import FleetChange
from meterdeck.tui.actions import Action, Area, bindings
from meterdeck.tui.catalogue_filter import CATALOGUE_FIELDS, catalogue_filter
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.catalogue_reading import CatalogueReading
from meterdeck.tui.widgets.banner import Banner
from meterdeck.tui.widgets.catalogue_detail import CatalogueDetail
from meterdeck.tui.widgets.catalogue_list import CatalogueList, name_of
from meterdeck.tui.widgets.filter_bar import FilterBar
from meterdeck.tui.widgets.header import StatusHeader
from meterdeck.tui.widgets.key_bar import KeyBar
from meterdeck.tui.widgets.placeholder import Placeholder

_FORMS = {
    "new_meter": "meterdeck.tui.dialogs.meter_form",
    "new_price": "meterdeck.tui.dialogs.price_form",
}


class CatalogueScreen(CatalogueReading):
    """Meters and prices at the left, the chosen one in full at the right."""

    AREA = Area.CATALOGUE
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(Area.CATALOGUE),
        Binding("down,j", "choose(1)", "Next line", show=False, id="list_down"),
        Binding("up,k", "choose(-1)", "Line before", show=False, id="list_up"),
        Binding(
            "pagedown,ctrl+f",
            "choose_page(1)",
            "Page down",
            show=False,
            id="list_page_down",
        ),
        Binding(
            "pageup,ctrl+b", "choose_page(-1)", "Page up", show=False, id="list_page_up"
        ),
    ]

    class Prepared(Message):
        """What a form needs is loaded."""

        def __init__(self, action: Action, future: Future[None]) -> None:
            self.action = action
            self.future = future
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._events_seen = 0
        self._compared: (
            tuple[Account, tuple[frozenset[str], tuple[str, ...]]] | None
        ) = None

    def compose(self) -> ComposeResult:
        yield StatusHeader()
        yield Banner()
        yield Placeholder()
        with Container(id="catalogue"):
            yield CatalogueList()
            yield CatalogueDetail()
        yield KeyBar(self.AREA)
        bar = FilterBar("meter, price, product, key or id")
        bar.hints = lambda: record_hints(CATALOGUE_FIELDS)
        yield bar

    @property
    def _list(self) -> CatalogueList:
        return self.query_one(CatalogueList)

    @property
    def _detail(self) -> CatalogueDetail:
        return self.query_one(CatalogueDetail)

    # -- the picture -----------------------------------------------------------

    def open(self, picture: Picture) -> None:
        super().open(picture)
        self.show_read(picture)

    def take(self, picture: Picture, change: FleetChange) -> None:
        super().take(picture, change)
        self._take_events(picture)
        self._list.repaint()
        self._show_chosen(picture)

    def catch_up(self, picture: Picture) -> None:
        super().catch_up(picture)
        self.show_read(picture)

    def _take_events(self, picture: Picture) -> None:
        """Note the newest event of each meter; each event is looked at once."""
        new = picture.events.seen - self._events_seen
        self._events_seen = picture.events.seen
        newest = self._list.newest
        for event in reversed(picture.events.newest(new)):
            name = event.event.event_name
            if name not in newest or event.at >= newest[name].at:
                newest[name] = event

    def show_read(self, picture: Picture) -> None:
        self._take_events(picture)
        for name, event in (self.read.newest if self.read else {}).items():
            self._list.newest.setdefault(name, event)
        sight = self._sight(picture)
        self._list.show(sight, picture)
        self._place(picture)
        self._say_state(picture)
        self._show_chosen(picture)

    def _sight(self, picture: Picture) -> CatalogueSight | None:
        if self.read is None:
            return None
        account, declared = self.read.account, picture.context.catalogue
        if self._compared is None or self._compared[0] is not account:
            self._compared = account, compared(declared, account)
        found = Findings(self.users, self.read.newest, *self._compared[1])
        return sight_of(account, declared, found)

    def _show_chosen(self, picture: Picture) -> None:
        seen = self._list.chosen
        meter = seen.meter if seen is not None else None
        newest = self._list.newest.get(meter.event_name) if meter else None
        self._detail.show(seen, picture, newest)
        self.rested(seen)

    def _say_state(self, picture: Picture) -> None:
        hidden = self._list.hidden
        parts = ["reading …"] if self.busy else []
        if missing := self._list.missing:
            parts.append(f"{missing:,} declared and missing: catalogue plan")
        if hidden:
            parts.append(f"{hidden:,} inactive (i)")
        self.query_one(StatusHeader).note(" · ".join(parts))

    def _place(self, picture: Picture) -> None:
        """Show the list, or why there is none."""
        empty = self._list.empty
        placeholder, box = self.query_one(Placeholder), self.query_one("#catalogue")
        if empty:
            placeholder.say(*self._explain(picture), sketch=False)
        placeholder.display, box.display = empty, not empty

    def _explain(self, picture: Picture) -> tuple[str, str]:
        if self.read is None:
            again = "r tries again" if self.problem else ""
            return self.problem or "reading …", again
        if self._list.text:
            return "nothing fits the filter", "Esc drops it"
        if self._list.hidden:
            return "everything is inactive", "i shows it, m creates a meter"
        return (
            "nothing is sold yet",
            "m creates a meter, n a price; or declare both in the configuration:"
            " meterdeck catalogue import, then apply",
        )

    # -- actions ---------------------------------------------------------------

    def action_choose(self, lines: int) -> None:
        if self._detail.inside:
            self._detail.choose(lines)
        else:
            self._list.choose(lines)
            self._chosen()

    def action_choose_page(self, pages: int) -> None:
        if self._detail.inside:
            self._detail.page(pages)
        else:
            self._list.page(pages)
            self._chosen()

    def _chosen(self) -> None:
        if self.console.picture is not None:
            self._show_chosen(self.console.picture)

    def on_catalogue_list_clicked(self, message: CatalogueList.Clicked) -> None:
        self._leave()
        self._chosen()
        if message.twice:
            self.do_users()

    def do_users(self) -> None:
        tenant = self._detail.tenant
        if tenant is not None:
            self.console.open_tenant(tenant)
        elif self._detail.enter():
            self.set_class(True, "-inside")
            self._list.quiet = True
            self._list.repaint()
        elif self._list.chosen is not None:
            self.console.say("nobody has it, as far as is known")

    def _leave(self) -> bool:
        was = self._detail.leave()
        self.set_class(False, "-inside")
        self._list.quiet = False
        self._list.repaint()
        return was

    def do_back(self) -> None:
        if self.query_one(FilterBar).clear() or self._leave():
            return
        self.app.pop_screen()

    def do_filter(self) -> None:
        self._leave()
        self.query_one(FilterBar).begin()

    def do_inactive(self) -> None:
        self._list.inactive = not self._list.inactive
        self._rearrange()

    def do_reread(self) -> None:
        self.ask_again()

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        if self.query_one(FilterBar).accept(lambda: catalogue_filter(message.text)):
            self._list.text = message.text
            self._rearrange()

    def on_filter_bar_left(self) -> None:
        self.set_focus(None)

    def _rearrange(self) -> None:
        self._list.lay_out()
        picture = self.console.picture
        if picture is not None:
            self._place(picture)
            self._say_state(picture)
            self._show_chosen(picture)

    def to_copy(self) -> list[tuple[str, str]]:
        seen = self._list.chosen
        if isinstance(seen, MeterSight):
            meter = seen.meter
            return [("event name", meter.event_name), ("meter id", meter.id)]
        if isinstance(seen, PriceSight):
            price = seen.price
            return [
                ("price id", price.id),
                ("lookup key", price.lookup_key),
                ("product id", price.product_id),
            ]
        return []

    def stripe_object(self) -> str:
        seen = self._list.chosen
        if isinstance(seen, MeterSight):
            return seen.meter.id
        return seen.price.id if isinstance(seen, PriceSight) else ""

    # -- changes ---------------------------------------------------------------

    def ask(self, action: Action) -> None:
        picture = self.console.picture
        if picture is None or self.read is None:
            self.console.say("the account is not read yet", severity="warning")
            return
        if action.id == "switch":
            seen = self._list.chosen
            if seen is not None:
                self.ask_whom(seen)
            return
        # What checks the configuration takes long to import: elsewhere, then.
        future = self.console.runtime.submit(lambda engine: _load(_FORMS[action.id]))
        tell(self, future, lambda done: self.Prepared(action, done))

    def on_catalogue_reading_affected(self, message: CatalogueReading.Affected) -> None:
        from meterdeck.tui.dialogs.switch import SwitchDialog  # noqa: PLC0415  # rare

        error, picture = message.future.exception(), self.console.picture
        if isinstance(error, MeterdeckError):
            self.console.say(str(error), title="on/off", severity="warning")
            return
        if error is not None:
            raise error
        chosen = self._list.chosen
        # Whoever has chosen something else meanwhile is not asked about that.
        if not self.on_top or name_of(chosen) != name_of(message.seen):
            return
        self.users |= message.future.result()
        self._show()
        chosen = self._list.chosen
        if picture is not None and chosen is not None:
            self.app.push_screen(SwitchDialog(picture, chosen), self.console.perform)

    def on_catalogue_screen_prepared(self, message: Prepared) -> None:
        error, picture = message.future.exception(), self.console.picture
        if isinstance(error, MeterdeckError):
            self.console.say(str(error), title=message.action.label, severity="warning")
            return
        if error is not None:
            raise error
        if picture is None or self.read is None or not self.on_top:
            return
        from meterdeck.tui.dialogs.meter_form import MeterForm  # noqa: PLC0415  # loaded
        from meterdeck.tui.dialogs.price_form import PriceForm  # noqa: PLC0415  # loaded

        account, seen = self.read.account, self._list.chosen
        if message.action.id == "new_meter":
            form: MeterForm | PriceForm = MeterForm(picture, account)
        else:
            product = seen.product if isinstance(seen, PriceSight) else None
            if isinstance(seen, MeterSight) and seen.prices:
                product = seen.prices[0].product
            meter = seen.meter if seen is not None else None
            form = PriceForm(picture, account, product=product, meter=meter)
        self.app.push_screen(form, self.console.perform)


async def _load(module: str) -> None:
    import_module(module)
    import_module("tomlkit")  # what writes the text to paste
