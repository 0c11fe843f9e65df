"""Doing several things of which one may be refused for what is wrong with it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from meterdeck.core.errors import (
    MeterdeckError,
    ProgramTooOld,
    ReadOnly,
    RedisRefused,
    Refused,
)


@contextmanager
def each_alone() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Do several things although Redis refuses one; say so when all have been tried.

    It may be about one person's keys alone. A server that does not answer, and one
    that this program may not write to, end it at once.
    """
    refused: list[MeterdeckError] = []

    @contextmanager
    def alone() -> Iterator[None]:
        try:
            yield
        except (ProgramTooOld, ReadOnly):
            raise
        except (RedisRefused, Refused) as error:
            refused.append(error)

    yield alone
    if refused:
        raise refused[0]
