"""The values a request read by its schema gives to an operation."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from decimal import Decimal
from typing import final

from meterdeck.core.local_stripe.refusals import missing_param


@final
class Parameters:
    """Read parameters, typed by the schema that validated them.

    `name` is the path of the section inside the request (`items[0]`), empty at the top.
    """

    __slots__ = ("_values", "name")

    def __init__(self, values: Mapping[str, object], name: str = "") -> None:
        self._values = values
        self.name = name

    def __contains__(self, key: str) -> bool:
        """Tell whether the parameter was sent, even if only to be cleared."""
        return key in self._values

    def naming(self, more: Mapping[str, object]) -> Parameters:
        """Give the same parameters and more that were told elsewhere, as in a path."""
        # Only read, which any mapping can.
        both = ChainMap(dict(more), self._values)  # type: ignore[arg-type]
        return Parameters(both, self.name)

    def path(self, key: str) -> str:
        """Give the full name of a parameter, as error answers print it."""
        return f"{self.name}[{key}]" if self.name else key

    def text(self, key: str) -> str | None:
        """Give a text, None when absent or cleared."""
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def required_text(self, key: str) -> str:
        """Give a text that must be there."""
        value = self.text(key)
        if value is None:
            raise missing_param(self.path(key))
        return value

    def integer(self, key: str) -> int | None:
        """Give a whole number, None when absent."""
        value = self._values.get(key)
        return value if type(value) is int else None

    def required_integer(self, key: str) -> int:
        """Give a whole number that must be there."""
        value = self.integer(key)
        if value is None:
            raise missing_param(self.path(key))
        return value

    def flag(self, key: str) -> bool | None:
        """Give a truth value, None when absent."""
        value = self._values.get(key)
        return value if isinstance(value, bool) else None

    def decimal(self, key: str) -> Decimal | None:
        """Give an exact number, None when absent."""
        value = self._values.get(key)
        return value if isinstance(value, Decimal) else None

    def texts(self, key: str) -> dict[str, str]:
        """Give a map of texts such as metadata or an event's payload."""
        value = self._values.get(key)
        if not isinstance(value, dict):
            return {}
        return {str(name): str(item) for name, item in value.items()}

    def section(self, key: str) -> Parameters | None:
        """Give a group of parameters, None when absent or cleared."""
        value = self._values.get(key)
        return value if isinstance(value, Parameters) else None

    def sections(self, key: str) -> list[Parameters]:
        """Give a list of groups of parameters."""
        return [item for item in self.items(key) if isinstance(item, Parameters)]

    def strings(self, key: str) -> list[str]:
        """Give a list of texts."""
        return [item for item in self.items(key) if isinstance(item, str)]

    def items(self, key: str) -> list[object]:
        """Give a list, empty when absent."""
        value = self._values.get(key)
        return value if isinstance(value, list) else []
