"""The doctor: makes each check, and says of each what was found."""

from __future__ import annotations

from meterdeck.core.errors import RedisRefused, RedisUnreachable
from meterdeck.core.model.diagnosis import Finding, Severity, Verdict, fault, unknown
from meterdeck.core.services.doctor.check import Check, Patient
from meterdeck.core.services.doctor.counter_checks import COUNTER_CHECKS
from meterdeck.core.services.doctor.operator_checks import OPERATOR_CHECKS
from meterdeck.core.services.doctor.rights_check import RIGHTS
from meterdeck.core.services.doctor.server_checks import REACHABLE, SERVER_CHECKS
from meterdeck.core.services.doctor.spool_check import SPOOL

CHECKS: tuple[Check, ...] = (
    REACHABLE,
    *SERVER_CHECKS,
    RIGHTS,
    *COUNTER_CHECKS,
    *OPERATOR_CHECKS,
    SPOOL,
)
"""In the order in which they are made and told."""


class Doctor:
    """Examines one context; changes nothing."""

    checks = CHECKS

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._away = ""

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
        )

    async def _verdict(self, check: Check) -> Verdict:
        if check.of_redis and self._away:
            return unknown("not looked at: Redis does not answer")
        try:
            return await check.look(self._patient)
        except RedisUnreachable as error:
            self._away = str(error)
            return fault(str(error), "start Redis, or correct redis.url")
        except RedisRefused as error:
            if check is REACHABLE:
                self._away = str(error)
                return fault(str(error), "correct redis.username and redis.password")
            return unknown(str(error), "run doctor as a user who may look at it")


def most_severe(findings: list[Finding]) -> Severity:
    """Return the worst there is among findings."""
    for severity in (Severity.FAULT, Severity.WARNING, Severity.UNKNOWN):
        if any(each.severity is severity for each in findings):
            return severity
    return Severity.OK
