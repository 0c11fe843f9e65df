"""A program whose terminal is sent only what changed."""

from __future__ import annotations

from textual.driver import Driver

from meterdeck.tui.key_order import OneKeyAtATime
from meterdeck.tui.output.driver import Thrift, thrifty


class ThriftyApp(OneKeyAtATime):
    """Paints through a driver that remembers what its terminal shows."""

    def get_driver_class(self) -> type[Driver]:
        return thrifty(super().get_driver_class())

    def on_resize(self) -> None:
        # Twice at once, the size is the same as before and the picture is not.
        self._forget_picture()

    def redraw(self) -> None:
        """Send everything anew: something else has written into the terminal."""
        self._forget_picture()
        self.refresh()

    def _forget_picture(self) -> None:
        if isinstance(self._driver, Thrift):
            self._driver.forget()
