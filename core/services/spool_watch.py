"""Watches what applications keep on this machine's disk until Redis is told."""

from __future__ import annotations

import asyncio

from meterdeck.core.adapters.spool_glance import glance
from meterdeck.core.model.context import Context
from meterdeck.core.services.watch_report import WatchReport
from meterdeck.core.settings import spool_directory

GLANCE_S = 5.0
"""Seconds between two glances."""


class SpoolWatch:
    """Reports what waits on disk, for as long as it runs."""

    def __init__(self, context: Context, report: WatchReport) -> None:
        self._root = spool_directory(context)
        self._room = context.library.spool_bytes
        self._report = report

    async def run(self) -> None:
        """Look every few seconds; a directory that cannot be read shows nothing."""
        while True:
            try:
                self._report.spool = await asyncio.to_thread(
                    glance, self._root, self._room
                )
            except OSError:
                self._report.spool = None  # another user's: doctor says so
            await asyncio.sleep(GLANCE_S)
