"""A health that is as the test says, and is asked like the engine's."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.well import WELL

from meterdeck.core.model.acl.own_rights import RedisUser
from meterdeck.core.model.health import FleetHealth, Sending
from meterdeck.core.services.health import Seen


@dataclass
class ScriptedHealth:
    """Answers with the picture it has; well, until a test says otherwise.

    Attributes:
        who: The Redis user; None: not told.
        asked: What whoever asked had seen already.
    """

    picture: FleetHealth = WELL
    who: RedisUser | None = None
    asked: list[Seen | None] = field(default_factory=list)

    async def look(self, seen: Seen | None = None) -> FleetHealth:
        self.asked.append(seen)
        return self.picture

    async def user(self) -> RedisUser | None:
        return self.who

    async def sending(self) -> Sending:
        return self.picture.sending or Sending()
