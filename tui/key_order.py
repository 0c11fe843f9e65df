"""Keys typed in a burst act as if they were typed one by one.

Textual gives a key to the widget that has the focus at that moment, and only the
widget's answer, some messages later, may move the focus or open a screen. Over a slow
link several keys arrive in one packet: of `/acme` the `/` would open the filter after
`a` had opened a dialog and `c`, `m`, `e` had done whatever they do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from textual import events
from textual.app import App
from textual.message import Message
from textual.widget import Widget

LOOK_S = 0.25
"""Between two looks at a key that has no end yet: its widget may have gone with it."""
MOST_LOOKS = 20
"""Looks after which the next key is taken whatever the widget is doing. Counted, not
timed: while a dialog is imported, on a busy machine, nothing looks."""
_STEP_S, _MOST_STEPS = 0.05, 100
QUIET_TURNS = 3
"""Turns of the event loop without a message, after which a key has had its effect."""
LONGEST_CHAIN = 200
"""Turns after which the next key is taken whatever is going on."""


class KeyDone(Message):
    """Follows a key through the same queues, so it arrives when the key is done."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class OneKeyAtATime(App[int]):
    """Hold each key back until the one before it has had its effect."""

    def __init__(self) -> None:
        super().__init__()
        self._held_keys: deque[events.Key] = deque()
        self._key_number = 0
        self._key_in_work = False
        self._settling: asyncio.Task[None] | None = None

    async def on_event(self, event: events.Event) -> None:
        """Pass events on, keys one after the other."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif self._key_in_work:
            self._held_keys.append(event)
        else:
            await self._work_on(event)

    async def _work_on(self, key: events.Key) -> None:
        self._key_in_work = True
        self._key_number += 1
        number = self._key_number
        await super().on_event(key)
        widget = self.focused or self.screen
        widget.post_message(KeyDone(number))
        self.set_timer(LOOK_S, lambda: self._look(number, widget, MOST_LOOKS))

    async def on_key_done(self, done: KeyDone) -> None:
        """Take the next key, once all that this one set going has come to rest."""
        if done.number == self._key_number:
            self._settle_soon()

    def _look(self, number: int, widget: Widget, looks: int) -> None:
        """Go on without a key's end where that cannot come any more."""
        if number != self._key_number or not self._key_in_work or self._settling:
            return
        if looks and widget.is_running and widget.is_attached:
            self.set_timer(LOOK_S, lambda: self._look(number, widget, looks - 1))
        else:
            self._settle_soon()

    def _settle_soon(self) -> None:
        # Of an action that was waited for the effect, and the keys that came meanwhile,
        # may stand in the queue behind this key's end.
        if not self._held_keys and not self._busy():
            self._key_in_work = False
        elif self._settling is None:
            self._settling = asyncio.create_task(self._settle(self._key_number))

    async def _settle(self, number: int) -> None:
        """Wait until no widget has a message left, then ask for the next key.

        An Enter, say, is a message of the input, then one of its form, then the
        screen moves the focus. A task of its own: the app has to go on meanwhile.
        """
        quiet = 0
        for _ in range(LONGEST_CHAIN):
            await self._passed()
            quiet = 0 if self._busy() else quiet + 1
            if quiet == QUIET_TURNS:
                break
        self._settling = None
        self.call_later(self._late, number)

    async def _passed(self) -> None:
        """Wait until the screen has done what it is at, and is up if it is a new one.

        Whoever handles a message has none left, and may yet open a dialog.
        """
        screen, passed = self.screen, asyncio.Event()
        if not screen.call_later(passed.set):
            return
        for _ in range(_MOST_STEPS):
            with suppress(TimeoutError):
                await asyncio.wait_for(passed.wait(), _STEP_S)
            if passed.is_set() or self.screen is not screen:
                return  # done, or it goes: with what it had still to do

    def _busy(self) -> bool:
        screen = self.screen
        if self.message_queue_size:
            return True
        return any(
            widget.message_queue_size
            for widget in (screen, *screen.walk_children(Widget))
        )

    async def _next_key(self) -> None:
        self._key_in_work = False
        if self._held_keys:
            await self._work_on(self._held_keys.popleft())

    async def _late(self, number: int) -> None:
        if self._key_in_work and number == self._key_number:
            await self._next_key()
