"""What every screen over another one has in common."""

from __future__ import annotations

from typing import TypeVar

from textual.reactive import Reactive
from textual.screen import ModalScreen
from textual.widget import Widget

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A modal screen that does not paint everything anew when the focus moves."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
