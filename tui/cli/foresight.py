"""What becomes of a change that is asked for, said before it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from meterdeck.core.model.change_requests import Change, EventWish
from meterdeck.core.model.request_rules import Changes
from meterdeck.core.model.wording import counted
from meterdeck.core.services.change_calls import check_change
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.output import note

_LOOKED_AT = 100
"""Letters of which it is said: reading each takes as long as asking for it."""


def check_signed(call: Call) -> None:
    """Refuse the reason and the operation id that the change would be refused for.

    Raises:
        ReadOnly, BadInput: As every change.
    """
    given = call.args.operation_id  # no other is made: no change begins here
    check_change(call.context, call.args.reason, "new" if given is None else given)


async def foretell(call: Call, change: Change) -> None:
    """Say whether somebody has to approve it, and whether anybody serves requests.

    Raises:
        ReadOnly, BadInput: It would be refused for its reason or operation id.
    """
    check_signed(call)
    if call.context.changes is Changes.DIRECT:
        return
    found = await call.engine.requests.foresee(change)
    if found is not None:
        note(str(found))


async def foretell_letters(call: Call, wishes: Sequence[EventWish]) -> None:
    """Say it of letters that are asked for one by one: each sentence once."""
    if call.context.changes is Changes.DIRECT:
        return
    said: Counter[str] = Counter()
    for wish in wishes[:_LOOKED_AT]:
        found = await call.engine.requests.foresee(wish)
        if found is not None:
            said[str(found)] += 1
    for words, count in said.items():
        note(words if len(wishes) == 1 else f"{counted(count, 'letter')}: {words}")
    if len(wishes) > _LOOKED_AT:
        note(f"of {counted(len(wishes) - _LOOKED_AT, 'more letter')} it is not known")
