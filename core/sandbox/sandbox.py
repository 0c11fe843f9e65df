"""The sandbox in one process: Valkey, a local Stripe, a fleet and its traffic."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from meterdeck.core.adapters.redis_client import open_redis
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.errors import (
    ConfigError,
    RedisUnreachable,
    Refused,
    Unreachable,
)
from meterdeck.core.local_stripe import LocalStripe, LocalStripeServer
from meterdeck.core.sandbox.application_events import ApplicationEvents
from meterdeck.core.sandbox.billed_already import BilledAlready
from meterdeck.core.sandbox.catalogue import sandbox_context
from meterdeck.core.sandbox.fleet import Fleet
from meterdeck.core.sandbox.history import FleetPast
from meterdeck.core.sandbox.operators import let_operators_work
from meterdeck.core.sandbox.options import SandboxOptions
from meterdeck.core.sandbox.ports import check_port
from meterdeck.core.sandbox.rhythm import calls
from meterdeck.core.sandbox.roster import Roster
from meterdeck.core.sandbox.seed import fill_counters, fill_stripe
from meterdeck.core.sandbox.state import RunningSandbox
from meterdeck.core.sandbox.traffic import Traffic
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.delivery_log import DeliveryLog
from meterdeck.core.services.directory import Directory
from meterdeck.core.services.sync.endings import end_tasks
from meterdeck.core.services.usage import UsageService

_FLEET = "fleet"
_REFRESH_S = 1.0
_LOOK_S = 0.25


def utc_now() -> datetime:
    """Return this host's clock."""
    return datetime.now(UTC)


class Sandbox:
    """Start everything on entering, end everything on leaving.

    Once entered, both servers answer and the fleet is complete; `run` brings it to
    life.

    Attributes:
        fleet: The one that lives here: of the data folder, where it keeps one.
    """

    def __init__(
        self, options: SandboxOptions, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._options = options
        self.fleet = Fleet(options.seed, options.tenants)
        self._now = now
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start.

        Raises:
            BadInput: An impossible number of tenants.
            ConfigError: A port is taken, the data folder cannot be used, or there is
                no Valkey for this system.
            Unreachable: A server did not start; the message says why.
        """
        options = self._options
        self._characters = self.fleet.characters(self._now())
        check_port("--stripe-port", options.stripe_port)
        check_port("--redis-port", options.redis_port)
        try:
            await self._start_servers()
            self._open_clients()
            await self._fill()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def running(self) -> RunningSandbox:
        """Return the addresses to announce."""
        return RunningSandbox(
            stripe_api_base=self._server.base_url,
            redis_url=self._valkey.url,
            api_key=self._stripe.api_key,
            pid=os.getpid(),
        )

    @property
    def webhook_secret(self) -> str | None:
        """Return what forwarded events are signed with; None without forwarding."""
        options = self._options
        forwarding = (
            options.forward_to is not None or options.forward_thin_to is not None
        )
        return self._stripe.forwarding_secret if forwarding else None

    async def run(self) -> None:
        """Keep the fleet alive until cancelled.

        Raises:
            RedisUnreachable: Valkey ended.
        """
        work: list[Coroutine[None, None, None]] = [
            self._watch_valkey(),
            self._keep_directory(),
            self._application_events.run(),
        ]
        if self._options.traffic:
            work.append(self._traffic().run())
        tasks = [asyncio.create_task(each) for each in work]
        delivering = asyncio.create_task(self._deliver())
        try:
            every = [*tasks, delivering]
            done, _ = await asyncio.wait(every, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            # It ends in order, and is not to be cut short in that; the others are.
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            await end_tasks(tasks)

    async def _start_servers(self) -> None:
        options = self._options
        self._valkey = Valkey(data_dir=self._data_dir(), port=options.redis_port)
        await self._stack.enter_async_context(self._valkey)
        self._stripe = LocalStripe(
            seed=options.seed, now=self._now, state=options.stripe_state
        )
        self._stack.callback(self._stripe.close)
        self._server = LocalStripeServer(self._stripe, port=options.stripe_port)
        await self._stack.enter_async_context(self._server)

    def _data_dir(self) -> Path:
        chosen = self._options.data_dir
        try:
            if chosen is None:
                folder = tempfile.mkdtemp(prefix="meterdeck-sandbox-")
                self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
                return Path(folder)
            chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=chosen).close()  # may we write there?
        except OSError as error:
            raise ConfigError(
                "--data-dir" if chosen else "TMPDIR",
                f"no data can be kept in {chosen or tempfile.gettempdir()}"
                f" ({error.strerror})",
                "name a folder you may write to",
            ) from error
        return chosen

    def _open_clients(self) -> None:
        context = sandbox_context(
            redis_url=self._valkey.url,
            stripe_api_base=self._server.base_url,
            api_key=self._stripe.api_key,
        )
        assert context.stripe is not None
        self.context = context
        self._redis = open_redis(context.redis, connections=16)
        self._stack.push_async_callback(self._redis.aclose)
        self._gateway = StripeGateway(context.stripe, context.mode)
        self._stack.push_async_callback(self._gateway.close)
        self._roster = Roster(Directory(self._redis, context, self._gateway))
        self.usage = UsageService(self._redis, context)
        self._log = DeliveryLog(self._redis, context)
        self._application_events = ApplicationEvents(
            context=context, roster=self._roster, log=self._log
        )

    async def _fill(self) -> None:
        """Make the fleet, or go on with the one that is kept."""
        if self._stripe.restored and _FLEET in self._stripe.notes:
            self.fleet = Fleet.of(self._stripe.notes[_FLEET])
            self._characters = self.fleet.characters(self._now())
            await self._roster.refresh()
        else:
            # Whole or not at all: half a fleet would be taken for one.
            with self._stripe.at_once():
                await self._seed()
                self._stripe.notes[_FLEET] = self.fleet.note
        self._forward()
        self._stripe.on_meter_event = self._application_events.received

    async def _seed(self) -> None:
        await fill_stripe(self._stripe, self._characters)
        await self._roster.refresh()
        await fill_counters(
            self._redis, self.context, self._characters, self._roster, self._now()
        )
        await FleetPast(self._redis, self.context, self._roster).fill(
            self._characters, self._now()
        )
        await BilledAlready(self._redis, self.context, self._stripe, self._roster).run(
            self._now()
        )
        if self._options.operators:
            await let_operators_work(self._redis, self.context, self._characters)

    def _forward(self) -> None:
        """Push events from here on; those of the fleet's making would be a flood."""
        options = self._options
        if options.forward_to is not None:
            self._stripe.forward(options.forward_to)
        if options.forward_thin_to is not None:
            self._stripe.forward(options.forward_thin_to, thin=True)

    def _traffic(self) -> Traffic:
        return Traffic(
            context=self.context,
            redis=self._redis,
            usage=self.usage,
            calls=calls(self.fleet.seed, self._characters),
            rate=self._options.rate,
            roster=self._roster,
            now=self._now,
        )

    async def _deliver(self) -> None:
        """Be the worker: what is used goes to the local Stripe."""
        if not self._options.worker:
            return
        # It takes a while to import, and nobody waits for it: the fleet is ready.
        from meterdeck.core.services.sync.worker import Worker  # noqa: PLC0415

        # Summaries of this Stripe are late where that was asked for, and else never.
        lag = timedelta(seconds=self._stripe.panel.faults.summary_lag_s)
        async with Worker(self.context, summary_lag=lag) as worker:
            await worker.run()

    async def _keep_directory(self) -> None:
        """Carry to Redis what a developer changes in the local Stripe."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            with suppress(Unreachable, Refused):  # the next second is another try
                await self._roster.refresh()

    async def _watch_valkey(self) -> None:
        pid = self._valkey.pid
        while True:
            await asyncio.sleep(_LOOK_S)
            # A server that is only frozen or busy still takes connections.
            try:
                _, writer = await asyncio.open_unix_connection(str(self._valkey.socket))
            except OSError as error:
                gone = "" if self._options.data_dir else "its counters are gone, "
                raise RedisUnreachable(
                    f"the sandbox's Valkey (process {pid}) ended;"
                    f" {gone}start the sandbox again"
                ) from error
            writer.close()
