"""The least a Textual program can be: the reference for starting the console."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Footer, Header, Static


class MinimalApp(App[None]):
    """A header, a line of text, a footer."""

    def compose(self) -> ComposeResult:
        """Put the three on the screen."""
        yield Header()
        yield Static("minimal")
        yield Footer()


if __name__ == "__main__":
    MinimalApp().run()
