"""`meterdeck audit`: who changed what, when and why, newest first."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.audit import (
    AuditPage,
    AuditPlace,
    AuditQuery,
    AuditVerdict,
    BrokenChain,
)
from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.usage import TenantId
from meterdeck.tui.cli.arguments import count_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import audit_form, broken_form, context_form
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.tenant_filter import filtered_tenants
from meterdeck.tui.cli.when import parse_since
from meterdeck.tui.cli.words import second

_SOUND = "the trail is as it was written"


def run(args: Namespace) -> int:
    """Print the audit trail of one tenant, or of all; or verify it."""
    return run_call(args, _show, without_stripe=True)


async def _show(call: Call) -> int:
    if call.args.verify:
        _refuse_filters(call)
        wanted = await call.tenant_id()
        return await (_verify_all(call) if wanted is None else _verify(call, wanted))
    page = await _page(call, await _query(call))
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "entries": [audit_form(entry) for entry in page.entries],
                "next": None if page.next is None else str(page.next),
                "unreadable": list(page.unreadable),
            }
        )
        return 0
    if page.entries:
        call.out.table([_row(entry) for entry in page.entries])
    _note(page)
    return 0


async def _page(call: Call, query: AuditQuery) -> AuditPage:
    """Read a page; with --filter as many as it takes to fill one of those tenants."""
    meant = await filtered_tenants(call)
    page = await call.engine.changes.audit_page(query)
    if meant is None:
        return page
    kept = [entry for entry in page.entries if entry.tenant in meant]
    unreadable = set(page.unreadable)
    while page.next is not None and len(kept) < query.limit:
        page = await call.engine.changes.audit_page(replace(query, before=page.next))
        kept += [entry for entry in page.entries if entry.tenant in meant]
        unreadable |= set(page.unreadable)
    more = AuditPlace.of(kept[query.limit - 1]) if len(kept) >= query.limit else None
    shown = tuple(sorted(unreadable & meant))
    return AuditPage(tuple(kept[: query.limit]), more, shown)


async def _query(call: Call) -> AuditQuery:
    args, now = call.args, datetime.now(UTC)
    return AuditQuery(
        tenant=await call.tenant_id(),
        limit=count_of(args),
        before=None if args.before is None else _place(args.before, now),
        since=None if args.since is None else parse_since(args.since, now),
        actor=args.actor,
        action=args.action,
    )


def _place(text: str, now: datetime) -> AuditPlace:
    """Read `--before`: an entry's id, the place that a page ended with, or a moment.

    Raises:
        BadInput: None of them.
    """
    try:
        return AuditPlace.parse(text)
    except BadInput:
        pass  # then it is a moment
    try:
        return AuditPlace.at(parse_since(text, now))
    except BadInput as error:
        raise BadInput(f"{error}, or an entry's id") from error


def _note(page: AuditPage) -> None:
    for tenant in page.unreadable:
        note(f"{tenant}: its trail cannot be read; see: meterdeck audit --verify")
    if page.next is not None:
        note(f"older entries: --before '{page.next}'")
    elif not page.entries:
        note("the audit trail is empty, or nothing in it was asked for")


def _refuse_filters(call: Call) -> None:
    args = call.args
    if args.before or args.since or args.actor or args.action or args.filter:
        raise BadInput(
            "--verify checks whole trails; leave out --before, --since, --actor,"
            " --action and --filter"
        )


async def _verify(call: Call, tenant: TenantId) -> int:
    broken = await call.engine.changes.verify_audit(tenant)
    if broken is None:
        await _check_known(call, tenant)
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant,
                "sound": broken is None,
                "entry_id": broken.entry_id or None if broken else None,
                "problem": broken.problem if broken else None,
            }
        )
    elif broken is None:
        call.out.line(f"{tenant}: ", Cell(_SOUND, Tone.GOOD))
    else:
        _tell_broken(call, broken)
    return 0 if broken is None else 1


async def _check_known(call: Call, tenant: TenantId) -> None:
    """Accept a sound trail that somebody has; that of a name mistyped proves nothing.

    Raises:
        NotFound: There is neither an entry nor a tenant of that name.
    """
    query = AuditQuery(tenant=tenant, limit=1)
    if not (await call.engine.changes.audit_page(query)).entries:
        await call.tenant(counted=True)


async def _verify_all(call: Call) -> int:
    verdict = await call.engine.changes.verify_audits()
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "sound": not verdict.broken,
                "trails": verdict.trails,
                "entries": verdict.entries,
                "broken": [broken_form(each) for each in verdict.broken],
            }
        )
    else:
        for each in verdict.broken:
            _tell_broken(call, each)
        _tell_verdict(call, verdict)
    return 1 if verdict.broken else 0


def _tell_broken(call: Call, broken: BrokenChain) -> None:
    entry = f"entry {broken.entry_id}: " if broken.entry_id else ""
    call.out.line(f"{broken.tenant}: {entry}", Cell(broken.problem, Tone.HIGH))


def _tell_verdict(call: Call, verdict: AuditVerdict) -> None:
    sound = verdict.trails - len(verdict.broken)
    tone = Tone.HIGH if verdict.broken else Tone.GOOD
    call.out.line(
        Cell(f"{sound:,} of {verdict.trails:,} trails are as they were written", tone),
        f" ({verdict.entries:,} entries read)",
    )


def _row(entry: AuditEntry) -> tuple[Cell | str, ...]:
    undoes = f"undoes {entry.undoes}: " if entry.undoes else ""
    return (
        Cell(second(entry.at), Tone.FAINT, firm=True),
        entry.actor,
        Cell(entry.origin, Tone.FAINT),
        entry.action,
        entry.tenant,
        entry.resource,
        f"{entry.before} → {entry.after}",
        Cell(entry.bill, Tone.FAINT),
        Cell(f"{undoes}{entry.reason}", Tone.FAINT),
    )
