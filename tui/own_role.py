"""What this console's Redis user may: told by the server, or learned from a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from meterdeck.core.model.acl.rights import Right
from meterdeck.core.model.request_rules import Changes

if TYPE_CHECKING:
    from meterdeck.core.model.acl.own_rights import RedisUser
    from meterdeck.core.model.context import Context
    from meterdeck.tui.actions.action import Action

_BY_REQUEST = frozenset({"replay", "replay_all", "compensate", "resolve"})
"""Actions on billing that are by request, too; docs/requests.md has what is not."""
LEARNED_S = 300.0
"""How long a refusal is remembered of a user of whom the server does not tell."""


class OwnRole:
    """The Redis user of a console, and what it may not.

    Args:
        clock: Seconds that only go up.

    Attributes:
        user: None before it was asked, and where the server does not tell.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.user: RedisUser | None = None
        self._clock = clock
        self._refused: dict[Right, float] = {}

    def learn(self, right: Right) -> None:
        """Remember that a right was missing; where the server tells, it is asked."""
        self._refused[right] = self._clock() + LEARNED_S

    def told(self, user: RedisUser | None) -> None:
        """Take in what the server says."""
        self.user = user
        if user is not None and user.may is not None:
            self._refused.clear()

    def lacks(self, right: Right) -> bool:
        """Tell whether an attempt would be refused, as far as is known."""
        if self.user is not None and self.user.may is not None:
            return self.user.lacks(right)
        return self._clock() < self._refused.get(right, 0.0)


def right_for(action: Action, context: Context) -> Right | None:
    """Return what an action needs of Redis's user; None: nothing that roles differ in.

    Where changes are asked for, asking is what is needed.
    """
    asked = action.right is Right.CHANGE or action.id in _BY_REQUEST
    by_request = context.changes is Changes.REQUEST and asked
    return Right.ASK if by_request else action.right
