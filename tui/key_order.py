"""Keys typed in a burst act as if they were typed one by one.

Textual gives a key to the widget that has the focus at that moment, and only the
widget's answer, some messages later, may move the focus or open a screen. Over a slow
link several keys arrive in one packet: of `/acme` the `/` would open the filter after
`a` had opened a dialog and `c`, `m`, `e` had done whatever they do.
"""

from __future__ import annotations

from collections import deque

from textual import events
from textual.app import App
from textual.message import Message
from textual.screen import Screen

PATIENCE_S = 0.25
"""Longest wait for the end of a key: its widget may have gone with its messages."""


class KeyDone(Message):
    """Follows a key through the same queues, so it arrives when the key is done."""


class OneKeyAtATime(App[int]):
    """Hold each key back until the one before it has had its effect."""

    def __init__(self) -> None:
        super().__init__()
        self._held_keys: deque[events.Key] = deque()
        self._key_number = 0
        self._key_in_work = False
        self._screen_of_key: Screen[object] | None = None

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
        self._screen_of_key = self.screen
        await super().on_event(key)
        (self.focused or self.screen).post_message(KeyDone())
        self.set_timer(PATIENCE_S, lambda: self._late(number))

    def on_key_done(self) -> None:
        """Take the next key, once the focus is where this one has put it."""
        if self.screen is self._screen_of_key:
            # What the key's action asked for `later` comes first.
            self.call_later(self.call_later, self._next_key)
        else:
            self.screen.call_after_refresh(self._next_key)

    async def _next_key(self) -> None:
        self._key_in_work = False
        if self._held_keys:
            await self._work_on(self._held_keys.popleft())

    async def _late(self, number: int) -> None:
        if self._key_in_work and number == self._key_number:
            await self._next_key()
