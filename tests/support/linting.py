"""What lint warned of."""

from collections.abc import Callable

from meterdeck.core.model.catalogue_warnings import CatalogueWarning, Code

Warned = Callable[..., list[CatalogueWarning]]
"""Lints a configuration, given what follows its head."""


def codes(warnings: list[CatalogueWarning]) -> set[Code]:
    """Return what was warned of."""
    return {each.code for each in warnings}
