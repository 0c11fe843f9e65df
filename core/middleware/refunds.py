"""Give back what a request took whose work failed, or was not begun."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from meterdeck.core.errors import BadInput, NotFound
from meterdeck.core.middleware.asgi import App, Message, Receive, Scope, Send
from meterdeck.core.middleware.charging import Charge, CountsUsage, GivesBack
from meterdeck.core.middleware.faults import Faults
from meterdeck.core.middleware.tally import Tally


class Refunds:
    """Gives back beside the answer: no byte waits for Redis.

    The work has failed where the answer's status is `first` or above, where the
    application raises before it has answered, or ends without an answer. It has not
    where an answer below `first` breaks off, of which a part was delivered, or where
    the request is cancelled: who hangs up is not served for nothing.
    """

    def __init__(
        self,
        usage: Callable[[], CountsUsage],
        faults: Faults,
        tally: Tally,
        *,
        first: int,
        deadline_s: float,
    ) -> None:
        self._usage = usage
        self._faults = faults
        self._tally = tally
        self._first = first
        self._deadline_s = deadline_s
        # The loop itself keeps only weak references to tasks.
        self._giving: set[asyncio.Task[None]] = set()

    async def serve(
        self, app: App, charge: Charge, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the application answer; its errors come out as they are.

        Ends when what has to be given back is: a server that waits for its requests
        before it shuts down loses none.
        """
        answered = False
        giving: asyncio.Task[None] | None = None

        async def watching(message: Message) -> None:
            nonlocal answered, giving
            if message["type"] == "http.response.start" and not answered:
                answered = True
                if message["status"] >= self._first:
                    giving = self._begin(charge)
            await send(message)

        try:
            await app(scope, receive, watching)
            if not answered:  # the server answers 500 in its place
                giving = self._begin(charge)
        except Exception:
            if not answered:
                giving = self._begin(charge)
            raise
        finally:
            if giving is not None:
                # A request that is cancelled has failed all the same.
                await asyncio.shield(giving)

    async def beside(self, answering: Awaitable[None], charge: Charge) -> None:
        """Answer in the application's place, which was not asked: its work is not done.

        Ends as `serve` does.
        """
        giving = self._begin(charge)
        try:
            await answering
        finally:
            await asyncio.shield(giving)

    def _begin(self, charge: Charge) -> asyncio.Task[None]:
        task = asyncio.create_task(self._give_back(charge))
        self._giving.add(task)
        task.add_done_callback(self._giving.discard)
        return task

    async def _give_back(self, charge: Charge) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await _releasing(self._usage()).release(charge.tenant, charge.call_id)
        except NotFound as error:
            if charge.certain:
                self._faults.not_given_back(error)
        except Exception as error:  # none may become a 500
            self._faults.not_given_back(error)
        else:
            self._tally.given_back += 1


def _releasing(usage: CountsUsage) -> GivesBack:
    if not isinstance(usage, GivesBack):
        raise BadInput(f"a {type(usage).__name__} cannot release what it has counted")
    return usage
