"""`meterdeck replay`: send letters again; says first what it would do."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from meterdeck.core.errors import Asked, BadInput, UnknownOutcome
from meterdeck.core.model.change_requests import EventWish
from meterdeck.core.model.event_changes import EventChange, EventPlan
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.event import identifier_of
from meterdeck.tui.cli.event_form import plan_form
from meterdeck.tui.cli.event_words import closing_words, state_cell
from meterdeck.tui.cli.events import tenant_named
from meterdeck.tui.cli.failure import asked_form
from meterdeck.tui.cli.foresight import foretell_letters
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Row, Tone, note
from meterdeck.tui.replaying import Replayed, Replaying


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A letter, and what became of it; in a dry run what would."""

    plan: EventPlan
    end: Replayed

    @classmethod
    def of(cls, plan: EventPlan) -> _Outcome:
        """Return that nothing was done, and what keeps it from being done."""
        return cls(plan, Replayed(problem=plan.problem))


def run(args: Namespace) -> int:
    """Replay letters that are named, or all that are dead or refused."""
    return run_call(args, _replay, without_stripe=True)


async def _replay(call: Call) -> int:
    _check(call.args)
    if call.args.yes:
        call.refuse_read_only()
    plans = await _plans(call)
    await foretell_letters(call, _wishes(call, plans))
    if not call.args.yes:
        return _tell(call, [_Outcome.of(plan) for plan in plans], operation_id=None)
    operation_id = operation_id_of(call.args)
    changes = call.engine.event_changes
    replaying = Replaying(changes, current_actor(), call.args.reason)
    outcomes = [await _perform(call, replaying, plan, operation_id) for plan in plans]
    return _tell(call, outcomes, operation_id=operation_id)


def _wishes(call: Call, plans: Sequence[EventPlan]) -> list[EventWish]:
    return [
        EventWish(
            plan.event.line.tenant,
            EventChange.REPLAY,
            plan.event.identifier,
            call.args.reason,
        )
        for plan in plans
        if not plan.problem
    ]


def _check(args: Namespace) -> None:
    if bool(args.identifiers) == bool(args.all):
        raise BadInput("say which letters: their identifiers, or --all")
    if args.identifiers and (args.tenant or args.reason_contains):
        raise BadInput("--tenant and --reason-contains choose among --all")
    if args.yes and not args.reason.strip():
        raise BadInput("a change needs a reason; add --reason TEXT")


async def _plans(call: Call) -> Sequence[EventPlan]:
    args, changes = call.args, call.engine.event_changes
    if args.all:
        tenant = await tenant_named(call, args.tenant) if args.tenant else ""
        return await changes.plan_replays(tenant=tenant, reason=args.reason_contains)
    names = dict.fromkeys(map(identifier_of, args.identifiers))
    return [await changes.plan(EventChange.REPLAY, name) for name in names]


async def _perform(
    call: Call, replaying: Replaying, plan: EventPlan, operation_id: str
) -> _Outcome:
    """Replay one letter; what cannot be is told, and keeps no other from it."""
    if plan.problem and call.args.operation_id is None:
        return _Outcome.of(plan)
    own, name = _own_id(operation_id, plan), plan.event.identifier
    try:
        return _Outcome(plan, await replaying.replay(name, own))
    except UnknownOutcome as lost:
        # Repeated under the letter's own id, the letters would have others than before.
        raise lost.under(operation_id) from lost


def _own_id(operation_id: str, plan: EventPlan) -> str:
    """Return the operation id of one letter's part: the same when it is repeated."""
    name = plan.event.identifier.encode("utf-8", "surrogateescape")
    return f"{operation_id[:80]}.{hashlib.sha256(name).hexdigest()[:16]}"


def _tell(call: Call, outcomes: list[_Outcome], *, operation_id: str | None) -> int:
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "letters": [_form(each) for each in outcomes],
                "operation_id": operation_id,
                "dry_run": operation_id is None,
            }
        )
    else:
        call.out.table([_row(each) for each in outcomes])
        _note(outcomes, dry=operation_id is None)
    if any(each.end.asked for each in outcomes):
        return Asked.exit_code
    wrong = any(each.end.problem for each in outcomes)
    return 1 if wrong and not call.args.all else 0


def _form(outcome: _Outcome) -> dict[str, object]:
    done, asked = outcome.end.done, outcome.end.asked
    return {
        **plan_form(outcome.plan),
        "problem": outcome.end.problem or None,
        "asked": asked_form(asked) if asked else None,
        "done": done is not None,
        "audit_id": done.audit_id if done else None,
        "replayed": done.replayed if done else False,
    }


def _row(outcome: _Outcome) -> Row:
    plan, line = outcome.plan, outcome.plan.event.line
    return (
        state_cell(plan.event),
        line.tenant,
        line.resource,
        Cell(line.event.value, right=True),
        Cell(closing_words(plan.windows, plan.now), Tone.FAINT),
        Cell(plan.event.identifier, Tone.FAINT),
        _what(outcome.end),
        Cell(plan.event.letter.reason if plan.event.letter else "", Tone.FAINT),
    )


def _what(end: Replayed) -> Cell:
    """Return what became of a letter, or would."""
    if end.problem:
        return Cell(end.problem, Tone.HIGH)
    if end.asked:
        return Cell(str(end.asked), Tone.NEAR)
    return Cell("goes out again" if end.done else "would go out again", Tone.GOOD)


def _note(outcomes: list[_Outcome], *, dry: bool) -> None:
    if not outcomes:
        note("no letter that is dead or refused was asked for")
        return
    wrong = sum(bool(each.end.problem) for each in outcomes)
    asked = sum(each.end.asked is not None for each in outcomes)
    good = len(outcomes) - wrong - asked
    left = f", {wrong:,} cannot" if wrong else ""
    if dry:
        note(
            f"dry run: {good:,} would go out again{left}; nothing was changed;"
            " to do it add --yes --reason TEXT"
        )
    else:
        waits = f", {asked:,} asked for" if asked else ""
        note(f"{good:,} go out again{waits}{left}")
