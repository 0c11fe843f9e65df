"""The doctor: makes each check, and says of each what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from meterdeck.core.adapters.redis_refusals import (
    is_login,
    is_no_permission,
)
from meterdeck.core.errors import (
    BadInput,
    MeterdeckError,
    RedisRefused,
    RedisUnreachable,
    StripeRefused,
    StripeUnreachable,
)
from meterdeck.core.model.diagnosis import (
    Finding,
    Severity,
    Verdict,
    fault,
    unknown,
    waiting,
)
from meterdeck.core.services.doctor.catalogue_checks import CATALOGUE_CHECKS
from meterdeck.core.services.doctor.check import Asks, Check, Patient, Silence
from meterdeck.core.services.doctor.counter_checks import COUNTER_CHECKS
from meterdeck.core.services.doctor.delivery_checks import DELIVERY_CHECKS
from meterdeck.core.services.doctor.file_check import FILES
from meterdeck.core.services.doctor.flight_checks import FLIGHT_CHECKS
from meterdeck.core.services.doctor.index_check import INDEX
from meterdeck.core.services.doctor.operator_checks import OPERATOR_CHECKS
from meterdeck.core.services.doctor.remedies import REMEDIES, Change
from meterdeck.core.services.doctor.rights_check import RIGHTS
from meterdeck.core.services.doctor.script_check import SCRIPTS
from meterdeck.core.services.doctor.server_checks import REACHABLE, SERVER_CHECKS
from meterdeck.core.services.doctor.spool_check import SPOOL
from meterdeck.core.services.doctor.stripe_checks import (
    ANSWERS,
    KEY,
    STRIPE_CHECKS,
)
from meterdeck.core.services.doctor.tenant_checks import TENANT_CHECKS
from meterdeck.core.services.doctor.webhook_check import WEBHOOK
from meterdeck.core.settings.nearest import suggest

CHECKS: tuple[Check, ...] = (
    REACHABLE,
    *SERVER_CHECKS,
    RIGHTS,
    SCRIPTS,
    *COUNTER_CHECKS,
    INDEX,
    *OPERATOR_CHECKS,
    KEY,
    ANSWERS,
    *STRIPE_CHECKS,
    WEBHOOK,
    *CATALOGUE_CHECKS,
    *TENANT_CHECKS,
    *DELIVERY_CHECKS,
    *FLIGHT_CHECKS,
    SPOOL,
    FILES,
)
"""In the order in which they are made and told."""

LIMIT_S = 10.0
"""Seconds that one check may take, unless told otherwise."""

_FIRST = {REACHABLE.name: Asks.REDIS, ANSWERS.name: Asks.STRIPE}
"""Checks whose failure says of the others' server that it cannot be asked."""
_NAMES = {Asks.REDIS: "Redis", Asks.STRIPE: "Stripe"}
_NOT_THERE = {
    Asks.REDIS: "start Redis, or correct redis.url",
    Asks.STRIPE: "see status.stripe.com; check stripe.api_base and the network",
}
_NOT_ALLOWED = 403  # the key is taken, and may do other things
_NOT_SEEN = {
    Asks.REDIS: "run doctor as a user who may look at it",
    Asks.STRIPE: "give the key the permission to read it",
}


class Doctor:
    """Examines one context; changes nothing.

    Args:
        limit_s: Seconds that one check may take: a server that hangs does not keep
            the others from being looked at.
    """

    def __init__(self, patient: Patient, *, limit_s: float = LIMIT_S) -> None:
        self._patient = patient
        self._limit_s = limit_s
        self._away = False

    def checks(self, names: Sequence[str] = ()) -> tuple[Check, ...]:
        """Return the checks called so, in their own order; without names, all.

        Without names those of billing are left out where there is no Stripe.

        Raises:
            BadInput: There is no check of that name.
        """
        known = {each.name for each in CHECKS}
        for name in names:
            if name not in known:
                raise BadInput(f"there is no check {name}; {suggest(name, known)}")
        if names:
            return tuple(each for each in CHECKS if each.name in names)
        bills = self._patient.bills
        return tuple(each for each in CHECKS if bills or not each.of_billing)

    @property
    def away(self) -> bool:
        """Whether a server could not be asked, for another reason than its key."""
        return self._away

    async def make(self, check: Check) -> Finding:
        """Make one check; a server that does not answer is a finding, too."""
        verdict = await self._verdict(check)
        return Finding(
            check.name,
            check.title,
            verdict.severity,
            verdict.found,
            check.why,
            verdict.mend,
            verdict.first,
        )

    async def changes(self, check: Check) -> list[Change]:
        """Return what would be changed so that a check passes; nothing is yet.

        Raises:
            Unreachable, Refused: It cannot be looked at.
        """
        remedy = REMEDIES.get(check.name)
        return await remedy(self._patient) if remedy else []

    async def again(self, check: Check) -> Finding:
        """Make a check once more, after something was mended."""
        self._patient.forget()
        return await self.make(check)

    async def _verdict(self, check: Check) -> Verdict:
        if silence := self._silence(check):
            return waiting(f"not looked at: {silence.why}", silence.check)
        try:
            async with asyncio.timeout(self._limit_s):
                return await check.look(self._patient)
        except TimeoutError:
            return self._late(check)
        except MeterdeckError as error:
            return self._unanswered(check, error)

    def _unanswered(self, check: Check, error: MeterdeckError) -> Verdict:
        match error:
            case RedisUnreachable():
                return self._lost(check, Asks.REDIS, str(error))
            case StripeUnreachable():
                return self._lost(check, Asks.STRIPE, str(error))
            case RedisRefused():
                return self._redis_refused(check, error)
            case StripeRefused():
                return self._stripe_refused(check, error)
            case _:
                return unknown(str(error))

    def _silence(self, check: Check) -> Silence | None:
        """Return why one of a check's servers cannot be asked; None where all can."""
        silent = self._patient.silent
        for server in sorted(check.asks & silent.keys()):
            if not (check.keyless and silent[server].refuses):
                return silent[server]
        return None

    def _lost(self, check: Check, server: Asks, words: str) -> Verdict:
        self._away = True
        silence = Silence(f"{_NAMES[server]} does not answer", check.name)
        self._patient.silent[server] = silence
        return fault(words, _NOT_THERE[server])

    def _late(self, check: Check) -> Verdict:
        limit = f"{self._limit_s:g} s"
        if server := _FIRST.get(check.name):
            return self._lost(check, server, f"no answer within {limit}")
        return unknown(
            f"it took longer than {limit}",
            f"give it more time: meterdeck doctor {check.name} --timeout 60",
        )

    def _redis_refused(self, check: Check, error: RedisRefused) -> Verdict:
        if check is not REACHABLE:
            return unknown(str(error), _NOT_SEEN[Asks.REDIS])
        if is_no_permission(error):  # other questions may be allowed
            return fault(str(error), _NOT_SEEN[Asks.REDIS])
        self._away = True
        if is_login(error):
            silence = Silence("Redis does not take this user", check.name)
            mend = "correct redis.username and redis.password"
        else:
            silence = Silence("Redis cannot answer now", check.name)
            mend = "wait until it can; its log says more"
        self._patient.silent[Asks.REDIS] = silence
        return fault(str(error), mend)

    def _stripe_refused(self, check: Check, error: StripeRefused) -> Verdict:
        if check is not ANSWERS or error.status == _NOT_ALLOWED:
            severe = fault if check is ANSWERS else unknown
            return severe(str(error), _NOT_SEEN[Asks.STRIPE])
        silence = Silence("Stripe does not take the key", check.name, refuses=True)
        self._patient.silent[Asks.STRIPE] = silence
        return fault(str(error), "correct stripe.api_key")


def most_severe(findings: list[Finding]) -> Severity:
    """Return the worst there is among findings."""
    for severity in (Severity.FAULT, Severity.WARNING, Severity.UNKNOWN):
        if any(each.severity is severity for each in findings):
            return severity
    return Severity.OK
