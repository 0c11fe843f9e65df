"""Carries a repair out: step by step, each at most once, each with its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.adapters.billing_calls import BillingRecords
from meterdeck.core.adapters.billing_holds import BillingHolds
from meterdeck.core.errors import MeterdeckError, ReadOnly, Refused
from meterdeck.core.model.changes import Actor, AdjustKind, Adjustment, Bill
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.services.change_calls import Signature
from meterdeck.core.services.letters import Letters
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.reconcile.repair_plan import Step, StepKind


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of a step; `problem` is empty where it was done."""

    step: Step
    problem: str = ""


class Repairs:
    """Changes billing records and counters as a plan says.

    A step that is repeated does nothing; one whose record is not as it was when the
    plan was made refuses, and the other steps of its counter are left out.
    """

    def __init__(
        self,
        records: BillingRecords,
        letters: Letters,
        changes: OperatorChanges,
        holds: BillingHolds,
    ) -> None:
        self._records = records
        self._letters = letters
        self._changes = changes
        self._holds = holds

    async def apply(
        self, steps: Sequence[Step], actor: Actor, reason: str
    ) -> list[Repaired]:
        """Carry the steps out in their order, and say what became of each.

        Raises:
            ReadOnly: The context allows no changes.
            UnknownOutcome: A step may be done; repeat the plan, which does it once.
            RedisUnreachable, RedisRefused: It was not, nor those after it.
        """
        done: list[Repaired] = []
        failed: dict[object, str] = {}
        for step in steps:
            counter = step.subject.counter
            if step.kind is StepKind.NOTHING:
                continue
            if counter in failed:
                done.append(Repaired(step, failed[counter]))
                continue
            try:
                await self._carry_out(step, actor, reason)
            except ReadOnly:
                raise  # it is about all of them
            except Refused as error:
                failed[counter] = str(error)
            done.append(Repaired(step, failed.get(counter, "")))
        return done

    async def _carry_out(self, step: Step, actor: Actor, reason: str) -> None:
        if not step.alone:
            await self._holds.hold(
                step.subject.counter, step.subject.period, "it is being repaired"
            )
        words = reason or f"reconcile: {_WORDS[step.cause]}"
        signature = Signature(actor, words, step.operation_id)
        units = int(step.units)
        match step.kind:
            case StepKind.COUNTED | StepKind.NOT_COUNTED:
                assert step.letter is not None
                counted = step.kind is StepKind.COUNTED
                await self._letters.resolve(
                    step.letter, counted=counted, signature=signature
                )
            case StepKind.REPORTED:
                await self._letters.repair(
                    step.subject.counter,
                    step.subject.period,
                    units,
                    expected=await self._expected(step),
                    signature=signature,
                )
            case StepKind.OFFSET:
                await self._letters.compensate(step.subject.counter, -units, signature)
            case StepKind.LOWER:
                await self._letters.repair(  # changes nothing, and is in the trail
                    step.subject.counter,
                    step.subject.period,
                    0,
                    expected=await self._expected(step),
                    signature=signature,
                )
                await self._holds.release(step.subject.counter, step.newest, lower=True)
            case StepKind.RELEASE:
                await self._holds.release(step.subject.counter, step.newest)
            case StepKind.COUNTER:
                await self._raise_counter(step, units, actor, words)
            case StepKind.NOTHING:
                raise MeterdeckError("a step that does nothing is not carried out")

    async def _expected(self, step: Step) -> int:
        """Return what `reported` has to be; of a counter beside, what it is now."""
        if step.expected is not None:
            return step.expected
        (record,) = await self._records.read([step.subject.counter])
        return record.reported

    async def _raise_counter(
        self, step: Step, units: int, actor: Actor, reason: str
    ) -> None:
        wish = Adjustment(
            step.subject.tenant.id,
            step.subject.resource.name,
            AdjustKind.ADD,
            units,
            step.expected,
            Bill.QUOTA_AND_BILL,
            reason,
        )
        # The next period's counter may hold as much as the one that was compared.
        await self._changes.adjust(
            wish,
            actor=actor,
            operation_id=step.operation_id,
            only_period=step.subject.period.label,
        )


_WORDS = {
    Cause.AMBIGUOUS: "settled by Stripe's summaries",
    Cause.MISSING: "accepted by Stripe, and not counted there",
    Cause.WRONG_PERIOD: "counted by Stripe in the wrong period",
    Cause.COUNTER_LOST: "the counter was lost",
    Cause.RESTORED: "the billing record had gone back",
    Cause.FOREIGN: "in Stripe, and never sent by us",
}
