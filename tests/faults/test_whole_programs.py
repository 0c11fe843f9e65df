"""`meterdeck requests serve` and `meterdeck sync` as processes: killed, and too old."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support import whole_programs
from tests.support.contexts import CALLS
from tests.support.fault_run import FULL
from tests.support.people import at_work, office
from tests.support.proxy import Proxy
from tests.support.raw import ask
from tests.support.stripe_side import KEY, StripeSide, running_stripe
from tests.support.whole_programs import newer_program, program
from tests.support.zygote import Order, Worker, Zygote

from meterdeck.core.adapters.redis_client import Redis, server_time
from meterdeck.core.adapters.request_calls import NEXT_REQUEST, SETTLE_REQUEST
from meterdeck.core.adapters.script_loading import load_scripts, missing_scripts
from meterdeck.core.adapters.scripts import Script
from meterdeck.core.errors import Asked
from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.contract import OURS
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.request_answers import RequestState
from meterdeck.core.model.usage import TenantId
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges

ACME = TenantId("acme")
ADA = Actor("ada", "local")
DEADLINE_S = 30.0
CONFIG = """
default_context = "test"
[resources.api_calls]
label = "API calls"
unit = "call"
meter = "api_requests"
flush_seconds = 1
[plans.free.limits]
api_calls = 1000
[contexts.test]
mode = "sandbox"
default_plan = "free"
changes = "request"
[contexts.test.redis]
url = "{redis}"
username = "office"
password = {{ value = "pw" }}
timeout_seconds = 10
[contexts.test.requests]
people = {{ alice = "support" }}
[contexts.test.stripe]
api_key = {{ value = "{key}" }}
api_base = "{stripe}"
"""
READ = Script(*NEXT_REQUEST).digest.encode()
APPLIED = Script("checks", "reserved", "trail", "adjust").digest.encode()
SETTLED = Script(*SETTLE_REQUEST).digest.encode()


@dataclass
class Death:
    """Ends a process where a script of it passes: the call, or the answer to it.

    Attributes:
        script: Digest of the script.
        number: At which of its calls.
        answered: The server has done it, and the answer arrives nowhere.
    """

    script: bytes
    number: int = 1
    answered: bool = False
    victim: Worker | None = None
    _asked: set[int] = field(default_factory=set)

    def cut_request(self, connection: int, data: bytes) -> bool:
        """Kill where the call passes."""
        if self.script not in data or b"EVALSHA" not in data:
            return False  # `sync` asks for all digests when it starts
        self.number -= 1
        if self.number or self.victim is None:
            return False
        if self.answered:
            self._asked.add(connection)
            return False
        self.victim.kill()
        return True

    def cut_answer(self, connection: int, _data: bytes) -> bool:
        """Kill where the answer passes."""
        if connection not in self._asked or self.victim is None:
            return False
        self.victim.kill()
        return True


_ONCE = ("requests", "serve", "--once")
SEAMS: dict[str, Callable[[], Death]] = {
    "read": lambda: Death(READ, answered=True),
    "begun": lambda: Death(APPLIED),
    "applied": lambda: Death(APPLIED, answered=True),
    "before the answer": lambda: Death(SETTLED, 2),
    "answered": lambda: Death(SETTLED, 2, answered=True),
}
"""Where a worker is killed; the calls of `settle_request` are: begun, and answered."""


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """What all programs are forked from."""
    log = tmp_path_factory.mktemp("zygote") / "complaints"
    with Zygote(whole_programs.__name__, log=log) as running:
        yield running


@pytest.fixture
async def forks(zygote: Zygote) -> AsyncIterator[Zygote]:
    """The same, in this test's event loop."""
    async with zygote.listening() as listening:
        yield listening


@pytest.fixture
async def stripe() -> AsyncIterator[StripeSide]:
    """A Stripe of this test alone."""
    async with running_stripe() as running:
        yield running


def written(folder: Path, redis_url: str, stripe: StripeSide) -> tuple[str, ...]:
    """Write a configuration; return the words that name it."""
    path = folder / "meterdeck.toml"
    path.write_text(CONFIG.format(redis=redis_url, stripe=stripe.base_url, key=KEY))
    path.chmod(0o600)
    return ("--config", str(path))


async def until(what: str, condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


async def gone(worker: Worker) -> int | None:
    """Wait for a process's end; return how it ended."""
    async with asyncio.timeout(DEADLINE_S):
        await worker.gone.wait()
    return worker.code


async def used(redis: Redis) -> int:
    """Return what acme used of its calls."""
    (key,) = await ask(redis, "KEYS", "usage:acme:api_calls:*") or [b"none"]
    return int(await ask(redis, "GET", key) or 0)


async def test_a_worker_killed_at_any_seam_of_a_request_leaves_it_to_be_done_once(
    forks: Zygote,
    stripe: StripeSide,
    valkey: Valkey,
    valkey_client: Redis,
    tmp_path: Path,
) -> None:
    """`requests serve` and `sync` in turn: after reading, before and after the change,
    before and after the answer; the next process finds what was left. One change, one
    entry, one answer of each request."""
    redis, context = valkey_client, office(valkey.url)
    await ask(redis, "ACL", "SETUSER", "office", "reset", "on", ">pw", "~*", "+@all")
    await load_scripts(redis, await missing_scripts(redis))
    commands = (("requests", "serve"), ("sync",))
    seams = [(seam, 0) for seam in SEAMS]
    if FULL:
        seams += [(seam, 1) for seam in SEAMS]
    async with (
        Proxy(valkey.url) as proxy,
        at_work(redis, context, "alice", wait_s=0) as alice,
    ):
        config = written(tmp_path, proxy.url, stripe)
        for number, (seam, turn) in enumerate(seams):
            proxy.scissors = death = SEAMS[seam]()
            command = commands[(number + turn) % 2]
            death.victim = await forks.fork(Order(program, (*command, *config)))
            wish = Adjustment(
                ACME, CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "why"
            )
            with pytest.raises(Asked):
                await alice.changes.adjust(wish, actor=ADA, operation_id=f"r-{number}")
            assert await gone(death.victim) == -signal.SIGKILL, (seam, forks.complaints)
            proxy.scissors = None
            done = number + (seam not in ("read", "begun"))
            assert await used(redis) == done, seam
            finisher = await forks.fork(Order(program, (*_ONCE, *config)))
            assert await gone(finisher) == 0, forks.complaints

        seen = await alice.desk.look()
    ids = [each.id for each in reversed(seen.answered)]
    trail = await OperatorChanges(redis, context).audit("acme")
    assert ids == [f"r-{number}" for number in range(len(seams))]
    assert {each.state for each in seen.answered} == {RequestState.DONE}
    assert (await used(redis), len(trail), seen.pending) == (len(seams), len(seams), ())
    assert await ask(redis, "LLEN", "meterdeck:requests:alice") == 0


async def contracts(redis: Redis) -> list[int]:
    """Return the contracts of the workers that are there."""
    found = await ask(redis, "HVALS", "meterdeck:workers")
    return sorted(json.loads(each)["contract"] for each in found)


async def test_programs_of_two_contracts_share_the_work_until_the_older_is_shut_out(
    forks: Zygote,
    stripe: StripeSide,
    valkey: Valkey,
    valkey_client: Redis,
    tmp_path: Path,
) -> None:
    """An upgrade names the older one that is in its way; shut out all the same it ends
    with a sentence, comes back and waits, and goes on when it may. No unit is lost or
    billed twice meanwhile."""
    redis, sent = valkey_client, Counter[str]()

    def received(event: ReceivedMeterEvent) -> None:
        if event.accepted:
            sent[str(event.customer)] += int(str(event.value))

    stripe.local.on_meter_event = received
    await ask(redis, "ACL", "SETUSER", "office", "reset", "on", ">pw", "~*", "+@all")
    customers = [stripe.subscribed(f"t{number}") for number in range(6)]
    config = written(tmp_path, valkey.url, stripe)
    label = calendar_month(await server_time(redis)).label
    counted = 0

    async def at_stripe() -> bool:
        return dict(sent) == dict.fromkeys(customers, counted)

    async def use(units: int) -> None:
        nonlocal counted
        counted += units
        for number in range(6):
            await ask(redis, "INCRBY", f"usage:t{number}:api_calls:{label}", units)

    async def shut_out(writers: int) -> None:
        key = "meterdeck:contract"
        await ask(redis, "HSET", key, "version", OURS + 1, "writers", writers)

    async def workers(*wanted: int) -> None:
        async def there() -> bool:
            return await contracts(redis) == list(wanted)

        await until(f"workers of {wanted}", there)

    await use(5)
    old = await forks.fork(Order(program, ("sync", *config)))
    new = await forks.fork(Order(newer_program, ("sync", *config)))
    await workers(OURS, OURS + 1)
    await use(7)
    await until("both deliver", at_stripe)
    words = ("upgrade", "--shut-out-older", "--yes", *config)
    assert await gone(await forks.fork(Order(newer_program, words))) == 1
    assert f"workers of a contract before {OURS + 1} are alive" in forks.complaints

    await shut_out(OURS + 1)  # somebody does it all the same
    assert await gone(old) == 1
    assert f"this one knows {OURS}: it only reads" in forks.complaints
    await use(11)
    await until("the newer one delivers", at_stripe)
    back = await forks.fork(Order(program, ("sync", *config)))

    async def waits() -> bool:
        return "not_ready_waits" in forks.complaints

    await until("the older one waits", waits)
    await shut_out(1)
    os.kill(new.pid, signal.SIGTERM)
    assert await gone(new) == 0
    await use(13)
    await until("the older one delivers", at_stripe)
    os.kill(back.pid, signal.SIGTERM)
    assert await gone(back) == 0
    assert await at_stripe()
