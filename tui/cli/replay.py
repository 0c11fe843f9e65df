"""`meterdeck replay`: send letters again; says first what it would do."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace

from meterdeck.core.errors import Asked, BadInput, NotFound, Refused
from meterdeck.core.model.event_changes import EventChange, EventChanged, EventPlan
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.event import identifier_of
from meterdeck.tui.cli.event_form import plan_form
from meterdeck.tui.cli.event_words import closing_words, state_cell
from meterdeck.tui.cli.events import tenant_named
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Row, Tone, note


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one letter; nothing was `done` in a dry run."""

    plan: EventPlan
    done: EventChanged | None = None


def run(args: Namespace) -> int:
    """Replay letters that are named, or all that are dead or refused."""
    return run_call(args, _replay, without_stripe=True)


async def _replay(call: Call) -> int:
    _check(call.args)
    if call.args.yes:
        call.refuse_read_only()
    plans = await _plans(call)
    if not call.args.yes:
        return _tell(call, [_Outcome(plan) for plan in plans], operation_id=None)
    operation_id = operation_id_of(call.args)
    outcomes = [await _perform(call, plan, operation_id) for plan in plans]
    return _tell(call, outcomes, operation_id=operation_id)


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


async def _perform(call: Call, plan: EventPlan, operation_id: str) -> _Outcome:
    """Replay one letter; what cannot be is told, and keeps no other from it."""
    if plan.problem and call.args.operation_id is None:
        return _Outcome(plan)
    try:
        done = await call.engine.event_changes.perform(
            EventChange.REPLAY,
            plan.event.identifier,
            actor=current_actor(),
            reason=call.args.reason,
            operation_id=_own_id(operation_id, plan),
        )
    except Asked as asked:
        if not (call.args.all and asked.by_a_person):
            raise
        return _Outcome(replace(plan, problem=str(asked)))
    except (NotFound, Refused) as refused:
        return _Outcome(replace(plan, problem=str(refused)))
    return _Outcome(replace(plan, problem=""), done)


def _own_id(operation_id: str, plan: EventPlan) -> str:
    """Return the operation id of one letter's part: the same when it is repeated."""
    name = plan.event.identifier.encode("utf-8", "surrogateescape")
    return f"{operation_id[:80]}.{hashlib.sha256(name).hexdigest()[:16]}"


def _tell(call: Call, outcomes: list[_Outcome], *, operation_id: str | None) -> int:
    wrong = [each for each in outcomes if each.plan.problem]
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
        _note(outcomes, wrong, dry=operation_id is None)
    return 1 if wrong and not call.args.all else 0


def _form(outcome: _Outcome) -> dict[str, object]:
    done = outcome.done
    return {
        **plan_form(outcome.plan),
        "done": done is not None,
        "audit_id": done.audit_id if done else None,
        "replayed": done.replayed if done else False,
    }


def _row(outcome: _Outcome) -> Row:
    plan, line = outcome.plan, outcome.plan.event.line
    what = plan.problem or ("goes out again" if outcome.done else "would go out again")
    return (
        state_cell(plan.event),
        line.tenant,
        line.resource,
        Cell(line.event.value, right=True),
        Cell(closing_words(plan.windows, plan.now), Tone.FAINT),
        Cell(plan.event.identifier, Tone.FAINT),
        Cell(what, Tone.HIGH if plan.problem else Tone.GOOD),
        Cell(plan.event.letter.reason if plan.event.letter else "", Tone.FAINT),
    )


def _note(outcomes: list[_Outcome], wrong: list[_Outcome], *, dry: bool) -> None:
    if not outcomes:
        note("no letter that is dead or refused was asked for")
        return
    good = len(outcomes) - len(wrong)
    left = f", {len(wrong):,} cannot" if wrong else ""
    if dry:
        note(
            f"dry run: {good:,} would go out again{left}; nothing was changed;"
            " to do it add --yes --reason TEXT"
        )
    else:
        note(f"{good:,} go out again{left}")
