"""What a check is, and what it looks at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.server_facts import ServerFacts, read_facts
from meterdeck.core.model.context import Context
from meterdeck.core.model.diagnosis import Severity, Verdict, worst
from meterdeck.core.services.doctor.key_sample import KeySample, sample_keys


def _wall() -> datetime:
    return datetime.now(UTC)


class Patient:
    """What all checks look at; what several need is read once.

    Args:
        spool_root: Where this machine's applications keep what Redis was not told.
        whole_audit: Verify every audit trail, not only the latest.
        wall: This host's clock.
    """

    def __init__(
        self,
        redis: Redis,
        context: Context,
        *,
        spool_root: Path,
        whole_audit: bool = False,
        wall: Callable[[], datetime] = _wall,
    ) -> None:
        self.redis = redis
        self.context = context
        self.spool_root = spool_root
        self.whole_audit = whole_audit
        self.wall = wall
        self._facts: tuple[ServerFacts, ...] | None = None
        self._sample: KeySample | None = None

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


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        name: For programs, in `--json`.
        title: For people, at most fourteen characters.
        why: What goes wrong where it is not as it should be, in one sentence.
        look: Looks at it; may raise RedisUnreachable or RedisRefused.
        of_redis: Whether it needs Redis to answer.
    """

    name: str
    title: str
    why: str
    look: Callable[[Patient], Awaitable[Verdict]]
    of_redis: bool = True


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
