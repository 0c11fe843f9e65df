"""A worker's requests: it makes the changes that people ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from meterdeck.core.adapters.redis_refusals import is_no_permission
from meterdeck.core.errors import RedisRefused
from meterdeck.core.model.request_answers import RequestAnswer
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.services.costs import Costs
from meterdeck.core.services.requests.serving import RequestServer
from meterdeck.core.services.requests.worth import Worth
from meterdeck.core.services.sync import journal
from meterdeck.core.services.sync.equipment import Equipment
from meterdeck.core.services.usage import UsageService

LOOK_S = 0.2
TIDY_S = 5.0


class RequestDuty:
    """Serves requests, where changes are made by request; any number of workers may.

    A worker whose Redis user may not serve them finds that out once, and leaves them to
    others.
    """

    def __init__(self, own: Equipment) -> None:
        context, redis = own.context, own.redis
        self._serves = context.changes is Changes.REQUEST
        usage = UsageService(redis, context)
        costs = Costs(redis, context, own.gateway, records=own.records, usage=usage)
        worth = Worth(context, costs)
        self.server = RequestServer(redis, context, worth=worth, told=note_answer)

    def schedule(self) -> list[tuple[float, str, Callable[[], Awaitable[None]]]]:
        """Return what is to be done how often (seconds), and what it is called."""
        if not self._serves:
            return []
        return [
            (LOOK_S, "requests", self.serve),
            (TIDY_S, "requests_that_wait", self.tidy),
        ]

    async def serve(self) -> None:
        """Deal with what was asked for.

        Raises:
            Unreachable: Redis does not answer; nothing is lost.
        """
        if self._serves:
            await self._try(self.server.serve)

    async def tidy(self) -> None:
        """End what nobody approved in time.

        Raises:
            Unreachable: Redis does not answer; nothing is lost.
        """
        if self._serves:
            await self._try(self.server.tidy)

    async def _try(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except RedisRefused as error:
            if not is_no_permission(error):
                raise
            # Another user serves them: `meterdeck requests serve`.
            self._serves = False
            journal.info("requests_not_served", reason=str(error))


def note_answer(answer: RequestAnswer) -> None:
    """Write an answer into the journal."""
    journal.info(
        "request_answered",
        person=answer.person,
        request=answer.request,
        op=answer.op,
        state=answer.state.value,
        by=answer.by,
    )
