"""Whole programs of meterdeck, imported with all that they use; see `Zygote`."""

from __future__ import annotations

import aiohttp.web  # noqa: F401  # imported before the fork, not after each
import stripe  # noqa: F401  # as above

from meterdeck.core.model import contract
from meterdeck.core.services import upgrade
from meterdeck.core.services.requests import serving  # noqa: F401  # as above
from meterdeck.core.services.sync import (
    metrics,  # noqa: F401  # as above
    worker,  # noqa: F401  # as above
    worker_facts,
)
from meterdeck.tui.cli import requests_serve, sync  # noqa: F401  # as above
from meterdeck.tui.cli.main import main


def program(*words: str) -> int:
    """Run meterdeck with these words, as its console script does."""
    return main(list(words))


def newer_program(*words: str) -> int:
    """Run a meterdeck that knows the contract after ours."""
    newer = contract.OURS + 1
    contract.why_not_writing.__defaults__ = (newer,)
    for module in (contract, upgrade, worker_facts):
        module.OURS = newer  # type: ignore[attr-defined]  # imported there
    return main(list(words))
