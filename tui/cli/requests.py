"""`meterdeck requests`: what was asked for, and what a second person says of it."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import BadInput, Refused
from meterdeck.core.model.change_requests import ChangeRequest, Verdict
from meterdeck.core.model.request_answers import Pending, RequestAnswer, RequestState
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.request_sight import (
    change_words,
    op_words,
    wish_of,
    wish_words,
)
from meterdeck.core.model.text import visible
from meterdeck.core.model.wording import minute
from meterdeck.core.services.requests.desk import Requests
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.json_form import context_form, moment
from meterdeck.tui.cli.output import Cell, Row, Tone, note

_MOST = 1_000
_TONES = {
    RequestState.WAITING: Tone.NEAR,
    RequestState.DONE: Tone.GOOD,
    RequestState.REFUSED: Tone.HIGH,
    RequestState.REJECTED: Tone.HIGH,
    RequestState.UNKNOWN: Tone.HIGH,
}


def run(args: Namespace) -> int:
    """List what is asked for, what waits, and what was answered."""
    return run_call(args, _list, without_stripe=True)


def run_show(args: Namespace) -> int:
    """Show one request."""
    return run_call(args, _show, without_stripe=True)


def run_approve(args: Namespace) -> int:
    """Have a request carried out."""
    return run_call(args, _approve, without_stripe=True)


def run_reject(args: Namespace) -> int:
    """End a request of somebody else."""
    return run_call(args, _reject, without_stripe=True)


def run_withdraw(args: Namespace) -> int:
    """End a request of one's own."""
    return run_call(args, _withdraw, without_stripe=True)


def refuse_direct(call: Call) -> None:
    """Refuse to go on where changes are made directly.

    Raises:
        Refused: They are.
    """
    if call.context.changes is Changes.DIRECT:
        raise Refused(
            f"in context {call.context.name} changes are made directly, and nothing is"
            ' asked for; changes = "request" would have it otherwise'
        )


async def _list(call: Call) -> int:
    refuse_direct(call)
    if not 0 <= call.args.answers <= _MOST:
        raise BadInput(f"-n {call.args.answers}: write a number from 0 to {_MOST:,}")
    seen = await call.engine.requests.look(max(1, call.args.answers))
    answered = seen.answered[: call.args.answers]
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "person": seen.person,
                "asked": [_asked_form(seen.person, each) for each in seen.unread],
                "pending": [_pending_form(each) for each in seen.pending],
                "answered": [_answer_form(each) for each in answered],
            }
        )
        return 0
    rows = [_asked_row(seen.person, each) for each in seen.unread]
    rows += [_pending_row(each) for each in seen.pending]
    rows += [_answer_row(each) for each in answered]
    call.out.table(rows)
    if not rows:
        note("nothing is asked for, and nothing was answered lately")
    if not await call.engine.requests.served():
        note("no worker serves requests now: meterdeck requests serve, or sync")
    return 0


async def _show(call: Call) -> int:
    refuse_direct(call)
    name: str = call.args.request
    seen = await call.engine.requests.look(_MOST)
    person, _, own_id = name.rpartition(":")
    if person in ("", seen.person) and (found := _own(seen, own_id)) is not None:
        return _tell(call, found)
    return _tell_pending(call, await call.engine.requests.find(name))


def _own(seen: Requests, name: str) -> RequestAnswer | None:
    if any(each.id == name for each in seen.pending):
        return None
    return next((each for each in seen.answered if each.id == name), None)


async def _approve(call: Call) -> int:
    return await _decide(call, Verdict.APPROVE)


async def _reject(call: Call) -> int:
    return await _decide(call, Verdict.REJECT)


async def _withdraw(call: Call) -> int:
    return await _decide(call, Verdict.WITHDRAW)


async def _decide(call: Call, verdict: Verdict) -> int:
    call.refuse_read_only()
    refuse_direct(call)
    desk, name = call.engine.requests, call.args.request
    if verdict is Verdict.WITHDRAW and ":" not in name:
        name = f"{desk.person}:{name}"
    record = await desk.find(name)
    if verdict is Verdict.APPROVE:
        confirm(call, f"approve {record.name}: {_sentence(record)}")
    answer = await desk.decide(record, verdict, call.args.reason)
    code = _tell(call, answer)
    wanted = {
        Verdict.APPROVE: RequestState.DONE,
        Verdict.REJECT: RequestState.REJECTED,
        Verdict.WITHDRAW: RequestState.WITHDRAWN,
    }
    return code if answer.state is wanted[verdict] else 1


def _sentence(record: Pending) -> str:
    wish = wish_of(record)
    what = wish_words(wish) if wish is not None else "something unreadable"
    return f"{what}: {change_words(record.before, record.after)}"


def _tell(call: Call, answer: RequestAnswer) -> int:
    if call.out.as_json:
        form = _answer_form(answer)
        call.out.object({**context_form(call.context), "request": form})
        return 0
    what = op_words(answer.op)
    place = " of ".join(visible(e, 60) for e in (answer.resource, answer.tenant) if e)
    name = f"{answer.person}:{answer.request}"
    said = f"{what} · {place}" if place else what
    call.out.line(Cell(name, Tone.BOLD), f"  {said}")
    says = answer.says.removeprefix(f"{answer.state}: ")
    call.out.line(Cell(answer.state.value, _tone(answer.state)), f"  {says}")
    if answer.reason:
        call.out.line(Cell(f"reason: {answer.reason}", Tone.FAINT))
    return 0


def _tell_pending(call: Call, record: Pending) -> int:
    if call.out.as_json:
        form = _pending_form(record)
        call.out.object({**context_form(call.context), "request": form})
        return 0
    call.out.line(Cell(record.name, Tone.BOLD), f"  {_sentence(record)}")
    call.out.line(
        Cell(record.state.value, _tone(record.state)), f"  {_waiting_for(record)}"
    )
    wish = wish_of(record)
    if wish is not None:
        call.out.line(Cell(f"reason: {visible(wish.reason, 500)}", Tone.FAINT))
    return 0


def _waiting_for(record: Pending) -> str:
    if record.state is RequestState.APPLYING:
        return f"approved by {record.by}" if record.by else "a worker is at it"
    return f"until {minute(record.until)}: {record.why}"


def _tone(state: RequestState) -> Tone:
    return _TONES.get(state, Tone.PLAIN)


# -- rows and forms --------------------------------------------------------------------


def _asked_row(person: str, request: ChangeRequest) -> Row:
    name = Cell(f"{person}:{request.id}", firm=True)
    return (name, Cell("asked", firm=True), wish_words(request.wish), "no worker yet")


def _pending_row(record: Pending) -> Row:
    return (
        Cell(record.name, firm=True),
        Cell(record.state.value, _tone(record.state), firm=True),
        _sentence(record),
        Cell(_waiting_for(record), Tone.FAINT),
    )


def _answer_row(answer: RequestAnswer) -> Row:
    place = " of ".join(visible(e, 60) for e in (answer.resource, answer.tenant) if e)
    return (
        Cell(f"{answer.person}:{answer.request}", firm=True),
        Cell(answer.state.value, _tone(answer.state), firm=True),
        place or op_words(answer.op),
        Cell(answer.says, Tone.FAINT),
    )


def _asked_form(person: str, request: ChangeRequest) -> dict[str, object]:
    words = wish_words(request.wish)
    return {
        "person": person,
        "request": request.id,
        "state": RequestState.ASKED.value,
        "what": words,
        "until": moment(request.until),
    }


def _pending_form(record: Pending) -> dict[str, object]:
    wish = wish_of(record)
    return {
        "person": record.person,
        "request": record.id,
        "state": record.state.value,
        "what": None if wish is None else wish_words(wish),
        "reason": None if wish is None else wish.reason,
        "why": record.why or None,
        "before": record.before or None,
        "after": record.after or None,
        "asked_at": moment(record.asked_at),
        "until": moment(record.until),
        "by": record.by or None,
        "digest": record.digest,
    }


def _answer_form(answer: RequestAnswer) -> dict[str, object]:
    return {
        "person": answer.person,
        "request": answer.request,
        "state": answer.state.value,
        "says": answer.says,
        "op": answer.op or None,
        "tenant": answer.tenant or None,
        "resource": answer.resource or None,
        "reason": answer.reason or None,
        "before": answer.before or None,
        "after": answer.after or None,
        "by": answer.by or None,
        "at": moment(answer.at),
        "result": answer.result,
    }
