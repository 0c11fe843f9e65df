"""Replaying letters one after another: what becomes of one keeps no other from it."""

from __future__ import annotations

from dataclasses import dataclass

from meterdeck.core.errors import Asked, NotFound, Refused
from meterdeck.core.model.changes import Actor
from meterdeck.core.model.event_changes import EventChange, EventChanged
from meterdeck.core.services.event_changes import EventChanges
from meterdeck.core.services.requests.event_requests import RequestedEventChanges


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter: it was done, or asked for, or there is a problem."""

    done: EventChanged | None = None
    asked: Asked | None = None
    problem: str = ""


class Replaying:
    """Replays letters for somebody.

    Where no worker has answered one, the others are asked for without waiting: they
    would wait as long.
    """

    def __init__(self, changes: EventChanges, actor: Actor, reason: str) -> None:
        self._changes = changes
        self._actor = actor
        self._reason = reason

    async def replay(self, identifier: str, operation_id: str) -> Replayed:
        """Replay one letter, at most once an operation id.

        Raises:
            Unreachable: A server did not do its part.
        """
        try:
            done = await self._changes.perform(
                EventChange.REPLAY,
                identifier,
                actor=self._actor,
                reason=self._reason,
                operation_id=operation_id,
            )
        except Asked as asked:
            if not asked.by_a_person:
                self._wait_no_more()
            return Replayed(asked=asked)
        except (NotFound, Refused) as refused:
            return Replayed(problem=str(refused))
        return Replayed(done)

    def _wait_no_more(self) -> None:
        if isinstance(self._changes, RequestedEventChanges):
            self._changes = self._changes.without_waiting()
