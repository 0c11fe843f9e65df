"""Trouble on the way to webhooks, for tests of what receives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible

_MOST = 1_000_000


@dataclass(slots=True)
class PushSwitches:
    """What goes wrong with the next pushes; without arguments nothing does.

    Attributes:
        out_of_order: The newest event is sent first.
        drop_next: So many pushes get lost although they count as delivered, as where
            a proxy answers 200 in the receiver's place.
        duplicate_next: So many pushes are sent twice.
    """

    out_of_order: bool = False
    drop_next: int = 0
    duplicate_next: int = 0

    def change(self, changes: Mapping[str, object]) -> None:
        """Set some of them.

        Raises:
            BadInput: An unknown name or a value of the wrong kind; nothing was changed.
        """
        for name, value in changes.items():
            _check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, object]:
        """Give all of them by name."""
        return asdict(self)


def _check(name: str, value: object) -> None:
    if name == "out_of_order":
        if not isinstance(value, bool):
            raise BadInput("out_of_order must be true or false")
        return
    if name not in {"drop_next", "duplicate_next"}:
        raise BadInput(
            f"{visible(name[:40])} is no trouble of pushes; there are out_of_order,"
            " drop_next and duplicate_next"
        )
    if type(value) is not int or not 0 <= value <= _MOST:
        raise BadInput(f"{name} must be a whole number from 0 to {_MOST:,}")
