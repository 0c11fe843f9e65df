"""A dict that knows what was changed in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class TrackedDict(dict[str, T]):
    """A dict whose changes by key can be told.

    Attributes:
        touched: Keys that were set or deleted, and whether they were deleted: such a
            key that is set again comes last.
    """

    def __init__(self, values: Mapping[str, T] | None = None) -> None:
        super().__init__(values or {})
        self.touched: dict[str, bool] = {}

    def __setitem__(self, key: str, value: T) -> None:
        super().__setitem__(key, value)
        self.touched.setdefault(key, False)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.touched[key] = True

    def pop(self, key: str, *default: Any) -> Any:
        """Take a key out."""
        if key in self:
            self.touched[key] = True
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, T]:
        """Take the newest key out."""
        key, value = super().popitem()
        self.touched[key] = True
        return key, value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Set a key that is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *others: Any, **more: Any) -> None:
        """Set many keys."""
        for key, value in dict(*others, **more).items():
            self[key] = value

    def __ior__(self, other: Mapping[str, T] | Iterable[tuple[str, T]]) -> Any:  # type: ignore[override,misc]  # dict's has more overloads
        self.update(other)
        return self

    def clear(self) -> None:
        """Take everything out."""
        self.touched.update(dict.fromkeys(self, True))
        super().clear()
