"""The product's worker in a process of its own, imported with all that it uses."""

from __future__ import annotations

import logging
import sys

import aiohttp.web  # noqa: F401  # imported before the fork, not after each
import stripe  # noqa: F401  # as above

from meterdeck.core.model.context import Context
from meterdeck.core.services.sync.worker import Worker


async def work(context: Context) -> None:
    """Deliver until killed; warnings go to stderr."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    async with Worker(context) as worker:
        await worker.run()
