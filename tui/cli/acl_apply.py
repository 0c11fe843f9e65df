"""`meterdeck acl --apply`: show what differs, ask, and make the users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from meterdeck.core.model.acl.differences import UserDifference
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.json_form import Form, context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.phrases import counted

if TYPE_CHECKING:
    from meterdeck.core.services.acl.redis_users import Applied
    from meterdeck.tui.cli.acl import Wanted


async def apply(call: Call, wanted: Wanted) -> int:
    """Do it in a context that is open.

    Raises:
        Refused: The context allows no changes, or it is live and nobody agreed.
    """
    call.refuse_read_only()
    users = call.engine.redis_users
    found = await users.differences(wanted.users)
    changing = [each for each in found if each.changes]
    forgotten = len(await users.missing_scripts())
    if not call.out.as_json:
        _show(call, found)
        if forgotten:
            call.out.line(f"{counted(forgotten, 'script')} the server does not have")
    if not (changing or forgotten) or call.args.dry_run:
        if call.out.as_json:
            call.out.object(_form(call, wanted, found, None))
        elif changing or forgotten:
            note("dry run: nothing was changed")
        return 0
    names = ", ".join(dict.fromkeys(each.user for each in changing))
    what = f"change the Redis users {names}" if names else "load scripts"
    confirm(call, what)
    applied = await users.apply(wanted.users)
    if call.out.as_json:
        call.out.object(_form(call, wanted, found, applied))
    else:
        _tell(call, wanted, applied)
    return 0


def _show(call: Call, found: Sequence[UserDifference]) -> None:
    for each in found:
        where = f" on {each.server}" if each.server else ""
        call.out.line(Cell(f"{each.user}{where}", Tone.BOLD), f"  {_words(each)}")
        for sign, tone, rules in (
            ("+", Tone.GOOD, each.added),
            ("-", Tone.HIGH, each.removed),
        ):
            if not each.new:
                for rule in rules:
                    call.out.line(Cell(f"  {sign} {rule}", tone))


def _words(found: UserDifference) -> str:
    told = []
    if found.new:
        told.append(f"is new, with {counted(len(found.added), 'rule')}")
    elif found.changes:
        told.append(
            f"gets {counted(len(found.added), 'rule')},"
            f" loses {counted(len(found.removed), 'rule')}"
        )
    else:
        told.append("is as it should be")
    if found.switched_on:
        told.append("is switched on")
    if found.password:
        told.append("gets a new password, and loses the old")
    if found.locked:
        told.append("has no password, so nobody can log in: --generate or --hash")
    if found.open:
        told.append("needs no password, so anybody can log in: --generate or --hash")
    return "; ".join(told)


def _tell(call: Call, wanted: Wanted, applied: Applied) -> None:
    for user, password in wanted.passwords.items():
        call.out.line(f"{user} password, shown this once: ", Cell(password, firm=True))
    call.out.line(f"{counted(len(wanted.users), 'user')} applied")
    if not applied.kept:
        note(
            "the server has no ACL file and forgets them when it is restarted; put"
            " there what `meterdeck acl --file` prints"
        )
    if applied.replicas:
        note(
            f"{counted(applied.replicas, 'replica')} not reached, each has users of its"
            " own: apply it there, too, by --redis-url"
        )


def _form(
    call: Call,
    wanted: Wanted,
    found: Sequence[UserDifference],
    applied: Applied | None,
) -> Form:
    return {
        **context_form(call.context),
        "server": str(wanted.place.server),
        "differences": [
            {
                "user": each.user,
                "server": each.server or None,
                "new": each.new,
                "switched_on": each.switched_on,
                "added": list(each.added),
                "removed": list(each.removed),
                "password": each.password,
                "can_log_in": not each.locked,
                "needs_password": not each.open,
            }
            for each in found
        ],
        "applied": applied is not None,
        "kept": applied.kept if applied else None,
        "replicas_left": applied.replicas if applied else None,
        "passwords": dict(wanted.passwords) if applied else {},
        "dry_run": bool(call.args.dry_run),
    }
