"""Asking Stripe what it sells and who uses it, as little as will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from textual.message import Message
from textual.timer import Timer

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.catalogue import Account, PriceUsers
from meterdeck.core.model.catalogue_sight import MeterSight, PriceSight
from meterdeck.core.model.events import LoggedEvent
from meterdeck.tui.picture import Picture
from meterdeck.tui.runtime import tell
from meterdeck.tui.screens.area import AreaScreen

if TYPE_CHECKING:
    from meterdeck.core.services.engine import Engine

READ_S = 120.0
"""Seconds between two times that Stripe is asked for meters, products and prices."""
AT_FIRST = 100
"""Subscriptions of each price that are read when the screen opens: one request."""
WHOLE = 1_000
"""Subscriptions that are read of the price that was chosen."""
REST_S = 0.4
"""How long a price is chosen before more is asked about it."""

Seen = MeterSight | PriceSight
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the account found."""

    account: Account
    newest: Mapping[str, LoggedEvent]


class CatalogueReading(AreaScreen):
    """A screen that knows the account.

    Attributes:
        read: The last look; None before the first.
        users: Who uses prices, by their ids, as far as it was asked.
        problem: Why the last look failed.
    """

    class Read(Message):
        """The account was read, or could not be."""

        def __init__(self, future: Future[Reading], *, whole: bool) -> None:
            self.future = future
            self.whole = whole
            super().__init__()

    class Counted(Message):
        """It is known who uses some prices, or it could not be found out."""

        def __init__(self, future: Future[Mapping[str, PriceUsers]]) -> None:
            self.future = future
            super().__init__()

    class Affected(Message):
        """It is known whom ending a meter or a price is about."""

        def __init__(
            self, seen: Seen, future: Future[Mapping[str, PriceUsers]]
        ) -> None:
            self.seen = seen
            self.future = future
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self.read: Reading | None = None
        self.users: dict[str, PriceUsers] = {}
        self.problem = ""
        self._reading = False
        self._stale = False
        self._counting = 0
        self._whole: set[str] = set()
        self._rest: Timer | None = None

    def on_mount(self) -> None:
        # Textual calls the base class's own.
        self.set_interval(READ_S, lambda: self.ask_again(whole=False))

    def open(self, picture: Picture) -> None:
        super().open(picture)
        if self.read is None and not self._reading:
            self.ask_again()

    def resold(self) -> None:
        self.ask_again()

    @property
    def busy(self) -> bool:
        """Whether Stripe is being asked."""
        return self._reading or self._counting > 0

    def show_read(self, picture: Picture) -> None:
        """Show what was read, or that it could not be."""

    def ask_again(self, *, whole: bool = True) -> None:
        """Read the account; with `whole` also anew who uses it."""
        picture = self.console.picture
        if picture is None or picture.context.stripe is None:
            return
        if self._reading:
            self._stale |= whole  # what is being read may be from before a change
            return
        self._reading, self._stale = True, False
        future = self.console.runtime.submit(_read)
        tell(self, future, lambda done: self.Read(done, whole=whole))
        self.show_read(picture)

    def on_catalogue_reading_read(self, message: Read) -> None:
        self._reading = False
        if (error := message.future.exception()) is not None:
            self._failed(error)
            return
        self.problem, self.read = "", message.future.result()
        if message.whole:
            self._whole.clear()
        sold = [price.id for price in self.read.account.prices if price.active]
        self._count(
            (name for name in sold if message.whole or name not in self.users), AT_FIRST
        )
        if self._stale:
            self.ask_again()
        self._show()

    def rested(self, seen: Seen | None) -> None:
        """Ask for all users of a price, once it has been chosen for a moment."""
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        if not isinstance(seen, PriceSight) or seen.price.id in self._whole:
            return
        known, name = self.users.get(seen.price.id), seen.price.id
        if known is None and seen.price.active:
            return  # it is asked about already
        if known is None or known.more:
            self._rest = self.set_timer(REST_S, lambda: self._count_whole(name))

    def _count_whole(self, price_id: str) -> None:
        self._whole.add(price_id)
        self._count((price_id,), WHOLE)

    def _count(self, price_ids: Iterable[str], at_most: int) -> None:
        asked = tuple(price_ids)
        if not asked:
            return
        self._counting += 1
        tell(self, self._users_of(asked, at_most), self.Counted)

    def _users_of(
        self, price_ids: tuple[str, ...], at_most: int
    ) -> Future[Mapping[str, PriceUsers]]:
        return self.console.runtime.submit(
            lambda engine: engine.catalogue.users(
                price_ids, at_most=at_most, names=at_most
            )
        )

    def on_catalogue_reading_counted(self, message: Counted) -> None:
        self._counting -= 1
        if (error := message.future.exception()) is not None:
            self._failed(error)
            return
        self.users |= message.future.result()
        self._show()

    def ask_whom(self, seen: Seen) -> None:
        """Find out whom ending it is about; `Affected` tells."""
        about = seen.prices if isinstance(seen, MeterSight) else (seen,)
        future = self._users_of(tuple(each.price.id for each in about), WHOLE)
        tell(self, future, lambda done: self.Affected(seen, done))

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, MeterdeckError):
            raise error
        self.problem = str(error)
        if self.read is not None:
            self.console.say(self.problem, title="catalogue", severity="warning")
        self._show()

    def _show(self) -> None:
        if self.console.picture is not None:
            self.show_read(self.console.picture)


async def _read(engine: Engine) -> Reading:
    from meterdeck.core.services.newest_events import newest_events  # noqa: PLC0415  # rare

    account = await engine.catalogue.account()
    return Reading(account, await newest_events(engine.events))
