"""What a check is, and what it looks at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.server_facts import ServerFacts, read_facts
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.context import Context
from meterdeck.core.model.diagnosis import Severity, Verdict, worst
from meterdeck.core.model.health import Sending
from meterdeck.core.model.usage import Tenant, TenantId
from meterdeck.core.services.catalogue import CatalogueService
from meterdeck.core.services.directory_entries import DirectoryEntries, Stored
from meterdeck.core.services.doctor.key_sample import KeySample, sample_keys
from meterdeck.core.services.matching import rules_digest
from meterdeck.core.services.sending import read_sending


def _wall() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Places:
    """Files of this machine that a context's programs use; they may not exist.

    Attributes:
        spool: Where applications keep what Redis was not told.
        state: What this user's programs keep between two starts.
        config: The configuration; None where there is no file.
    """

    spool: Path
    state: Path | None = None
    config: Path | None = None


class Asks(StrEnum):
    """Which server a check asks."""

    REDIS = "redis"
    STRIPE = "stripe"


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a server is not asked any more.

    Attributes:
        why: In a few words.
        check: The check that has to be mended first; empty where nothing is to be.
        refuses: It answers, and takes no question of this key.
    """

    why: str
    check: str = ""
    refuses: bool = False


NO_STRIPE = Silence("this context has no Stripe")


class Patient:
    """What all checks look at; what several need is read once.

    Attributes:
        silent: Servers that cannot be asked.

    Args:
        places: Files of this machine.
        gateway: None where the context has no Stripe, or its key cannot be used.
        key_problem: Why the key cannot be used; empty where it can.
        whole: Look at every audit trail and every customer, not at some.
        asked: About how many customers Stripe is asked singly.
        role: What the Stripe key is for; None: a worker, or a viewer where the context
            is read-only.
        wall: This host's clock.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        places: Places,
        gateway: StripeGateway | None = None,
        key_problem: str = "",
        whole: bool = False,
        asked: int = 100,
        role: Role | None = None,
        wall: Callable[[], datetime] = _wall,
    ) -> None:
        self.redis = redis
        self.context = context
        self.places = places
        self.gateway = gateway
        self.key_problem = key_problem
        self.whole = whole
        self.asked = asked
        self.role = role or (Role.VIEWER if context.read_only else Role.WORKER)
        self.wall = wall
        self.silent: dict[Asks, Silence] = {}
        if gateway is None:
            unusable = Silence("Stripe's key cannot be used", "key")
            self.silent[Asks.STRIPE] = unusable if key_problem else NO_STRIPE
        self._facts: tuple[ServerFacts, ...] | None = None
        self._sample: KeySample | None = None
        self._stored: Stored | None = None
        self._sending: Sending | None = None
        self._account: Account | None = None

    @property
    def bills(self) -> bool:
        """Whether there is, or should be, a Stripe to bring usage to."""
        return self.gateway is not None or bool(self.key_problem)

    @property
    def stripe(self) -> StripeGateway:
        """The gateway, for checks that are only made where there is one."""
        assert self.gateway is not None
        return self.gateway

    async def facts(self) -> tuple[ServerFacts, ...]:
        """Return what every master says of itself."""
        if self._facts is None:
            self._facts = await read_facts(self.redis)
        return self._facts

    async def sample(self) -> KeySample:
        """Return some of the database's keys, all of them where they are not many."""
        if self._sample is None:
            self._sample = await sample_keys(self.redis, self.context)
        return self._sample

    async def tenants(self) -> Mapping[TenantId, Tenant]:
        """Return every tenant that the directory in Redis knows."""
        return (await self.directory()).tenants

    async def directory(self) -> Stored:
        """Return the directory as it is in Redis; Stripe is not asked."""
        if self._stored is None:
            layout = self.context.redis.layout
            rules = rules_digest(self.context)
            entries = DirectoryEntries(self.redis, layout, rules)
            self._stored = await entries.load()
        return self._stored

    async def sending(self) -> Sending:
        """Return what the workers say of themselves."""
        if self._sending is None:
            self._sending = await read_sending(self.redis, self.context.redis.layout)
        return self._sending

    async def account(self) -> Account:
        """Return Stripe's meters, products and prices."""
        if self._account is None:
            service = CatalogueService(self.context, self.gateway)
            self._account = await service.account()
        return self._account

    def forget(self) -> None:
        """Read everything anew: something was mended."""
        self._facts = self._sample = self._stored = None
        self._sending = self._account = None


REDIS = frozenset({Asks.REDIS})
STRIPE = frozenset({Asks.STRIPE})
BOTH = frozenset(Asks)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        name: For programs, in `--json`.
        title: For people, at most fourteen characters.
        looks: What it looks at, for who reads the list of checks.
        why: What goes wrong where it is not as it should be, in one sentence.
        look: Looks at it; may raise Unreachable or Refused.
        asks: The servers that have to answer; another one that it would also ask
            may be silent.
        keyless: A Stripe that refuses the key answers enough.
        of_billing: Left out where the context has no Stripe.
    """

    name: str
    title: str
    looks: str
    why: str
    look: Callable[[Patient], Awaitable[Verdict]]
    asks: frozenset[Asks] = REDIS
    keyless: bool = False
    of_billing: bool = False


def of_each_server(
    judge: Callable[[Patient, ServerFacts], Verdict],
) -> Callable[[Patient], Awaitable[Verdict]]:
    """Return a look that judges every master and tells of the worst."""

    async def look(patient: Patient) -> Verdict:
        servers = await patient.facts()
        verdicts = [judge(patient, server) for server in servers]
        chosen = worst(verdicts)
        if len(servers) == 1:
            return chosen
        server = servers[verdicts.index(chosen)]
        others = len(servers) - 1
        where = (
            f"; {others} more masters likewise or better"
            if chosen.severity is not Severity.OK
            else f"; and so on at {others} more masters"
        )
        found = f"{server.name}: {chosen.found}{where}"
        return Verdict(chosen.severity, found, chosen.mend)

    return look


def examples(names: Sequence[str], *, most: int = 3) -> str:
    """Return a few of many names as a list in words."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, …"
