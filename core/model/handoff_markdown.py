"""A handoff as Markdown: to be pasted into a ticket, a chat or a wiki."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.drift import Drifted, LastPass, worst_first
from meterdeck.core.model.event_changes import STATE_WORDS, length_words
from meterdeck.core.model.handoff import (
    AtRisk,
    EndingOverride,
    Handoff,
    Part,
    Unsent,
)
from meterdeck.core.model.health_items import SIGNS, Item
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.markdown import code, escaped, table
from meterdeck.core.model.override_ends import amount_words, ending_words
from meterdeck.core.model.quantity import group_quantity, parse_counter
from meterdeck.core.model.windows import Window

MOST_LINES = 100
"""Of a table; how many more there are is said below it."""

_HALF_MINUTE = timedelta(seconds=30)  # a shift is rounded, as it is read later

Lines = list[str]


def handoff_markdown(handoff: Handoff) -> str:
    """Return the whole text; names from outside are made visible and escaped."""
    parts: list[tuple[Part, Callable[[Handoff], Lines]]] = [
        (Part.RISK, _risks),
        (Part.DRIFT, _drift),
        (Part.OVERRIDES, _overrides),
        (Part.LETTERS, _letters),
        (Part.CLOSING, _closing),
        (Part.CHANGES, _changes),
        (Part.HEALTH, _health),
    ]
    lines = _head(handoff)
    for part, write in parts:
        why = handoff.unread.get(part)
        lines += ["", f"## {part.value}", ""]
        lines += [f"**Not read:** {escaped(why, 400)}"] if why else write(handoff)
    return "\n".join(lines) + "\n"


def _head(handoff: Handoff) -> Lines:
    by = handoff.by
    length = length_words(handoff.at - handoff.since + _HALF_MINUTE)
    who = escaped(f"{by.name} ({by.origin})" if by.origin else by.name)
    mode = handoff.mode.value
    where = escaped(handoff.context)
    where = where if handoff.context == mode else f"{where} ({mode})"
    return [
        f"# Shift handoff: {where}",
        "",
        f"{_moment(handoff.at)} UTC by {who}, for the {length}"
        f" since {_moment(handoff.since)} UTC.",
        f"{handoff.tenants:,} tenants: {handoff.at_limit:,} at a limit,"
        f" {handoff.over90:,} over 90 %.",
        "",
        _summary(handoff),
    ]


def _summary(handoff: Handoff) -> str:
    """Return the line that is read where no other is."""
    tight = sum(each.ending.tight for each in handoff.overrides)
    soon = sum(not each.full for each in handoff.risks)
    rows = handoff.last_pass.rows if handoff.last_pass else ()
    bad = sum(each.verdict.severity is Severity.FAULT for each in handoff.health)
    wrong = sum(not each.agreed for each in rows)
    told = [
        _counted(soon, "counter over 90 % or full within 2 h", "counters over 90 % or"
                 " full within 2 h"),
        _counted(wrong, "counter that differs from Stripe", "counters that differ from"
                 " Stripe"),
        _counted(tight, "override whose end has calls refused", "overrides whose end"
                 " has calls refused"),
        _counted(len(handoff.letters), "event that needs somebody", "events that need"
                 " somebody"),
        _counted(len(handoff.closing), "counter unsent as its period ends", "counters"
                 " unsent as their periods end"),
        _counted(bad, "check that is bad", "checks that are bad"),
        _counted(len(handoff.unread), "part that was not read", "parts that were not"
                 " read"),
    ]  # fmt: skip
    told = [each for each in told if each]
    return f"**Look at:** {'; '.join(told)}." if told else "Nothing needs a look."


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}" if count else ""


def _risks(handoff: Handoff) -> Lines:
    if not handoff.risks:
        return ["Nobody is at a limit, over 90 % of one, or there within 2 h."]
    titles = ("Tenant", "Resource", ">Used", ">Limit", ">%", "Full", "Plan", "Status")
    rows = map(_risk, handoff.risks)
    return [*table(titles, rows), *_and_more(handoff.more_risks)]


def _risk(risk: AtRisk) -> Sequence[str]:
    tenant, full_in = risk.tenant, risk.full_in
    when = f"in ~{length_words(full_in)}" if full_in is not None else "–"
    return (
        _who(tenant.id, tenant.name),
        code(risk.resource.name),
        amount_words(risk.used, risk.resource),
        amount_words(risk.limit, risk.resource),
        f"{risk.percent}",
        "**now**" if risk.full else when,
        escaped(tenant.plan) or "none",
        escaped(tenant.status.value),
    )


def _drift(handoff: Handoff) -> Lines:
    if not handoff.billed:
        return ["This context has no Stripe."]
    last = handoff.last_pass
    if last is None:
        return ["No worker has compared the counters with Stripe yet."]
    ago = length_words(handoff.at - last.at)
    how = "all counters" if last.everything else "the counters that had changed"
    looked = (
        f"Last compared {_moment(last.at)} UTC ({ago} ago, by {escaped(last.by)}):"
        f" {how}, {last.compared:,} of them;"
    )
    wrong = [each for each in worst_first(last.rows) if not each.agreed]
    told = _drift_counts(last, len(wrong))
    rows = [_drifted(each, handoff) for each in wrong[:MOST_LINES]]
    titles = ("Tenant", "Resource", "Period", ">Used", ">Accepted", ">Stripe", "Causes")
    lines = [f"{looked} {told}"]
    if rows:
        lines += ["", *table(titles, rows), *_and_more(len(wrong) - len(rows))]
    return lines


def _drift_counts(last: LastPass, wrong: int) -> str:
    parts = [f"**{wrong:,} differ**" if wrong else "none differs"]
    parts += [f"{last.more:,} more differ or are on their way"] if last.more else []
    parts += [f"{last.unasked:,} could not be compared"] if last.unasked else []
    if last.since is not None:
        parts.append(f"the oldest unexplained unit is of {_moment(last.since)} UTC")
    return f"{', '.join(parts)}."


def _drifted(row: Drifted, handoff: Handoff) -> Sequence[str]:
    counter = row.counter
    scale = handoff.scales.get(counter.resource, 0)
    causes = [
        f"{_signed(share.units, scale)} {share.cause.value.replace('_', ' ')}"
        for share in row.faults
    ]
    causes += [f"held: {escaped(row.held)}"] if row.held else []
    causes += ["an ambiguous event is proven"] if row.settles else []
    return (
        code(counter.tenant),
        code(counter.resource),
        escaped(counter.period),
        "gone" if row.used is None else group_quantity(row.used, scale),
        group_quantity(row.reported, scale),
        group_quantity(int(row.stripe), scale),
        "; ".join(causes),
    )


def _signed(units: Decimal, scale: int) -> str:
    return f"{'+' if units > 0 else ''}{group_quantity(int(units), scale)}"


def _overrides(handoff: Handoff) -> Lines:
    lines: Lines = ["None."]
    if handoff.overrides:
        titles = ("Ends", "Tenant", "Resource", ">Limit", ">Used", "Then", "By", "Why")
        shown = handoff.overrides[:MOST_LINES]
        lines = table(titles, [_ending(each, handoff.at) for each in shown])
        lines += _and_more(len(handoff.overrides) - len(shown))
    if handoff.broken_overrides:
        broken = f"Over or broken, and still there: {handoff.broken_overrides:,}."
        lines += ["", broken]
    return lines


def _ending(one: EndingOverride, now: datetime) -> Sequence[str]:
    override, ending = one.found.override, one.ending
    assert override is not None
    assert override.expires_at is not None
    resource, used = ending.fallback.resource, ending.fallback.used
    then = escaped(ending_words(ending, now))
    left = length_words(override.expires_at - now)
    return (
        f"{_moment(override.expires_at)} (in {left})",
        _who(ending.fallback.tenant.id, ending.fallback.tenant.name),
        code(resource.name),
        "unlimited" if override.units is None
        else amount_words(override.units, resource),
        amount_words(used, resource) if isinstance(used, int) else "unknown",
        f"**{then}**" if ending.tight else then,
        escaped(override.actor, 60),
        escaped(override.reason),
    )  # fmt: skip


def _letters(handoff: Handoff) -> Lines:
    if not handoff.letters:
        return ["None: no event is dead, refused or ambiguous."]
    titles = ("Since", "State", "Tenant", "Resource", ">Units", "Why", "Event", "Left")
    shown = handoff.letters[:MOST_LINES]
    rows = [_letter(event, windows, handoff) for event, windows in shown]
    return [*table(titles, rows), *_and_more(len(handoff.letters) - len(shown))]


def _letter(
    event: LedgerEvent, windows: Sequence[Window], handoff: Handoff
) -> Sequence[str]:
    line, now = event.line, handoff.at
    left = [
        f"{each.kind.value} {length_words(each.left(now))}"
        for each in windows
        if each.is_open(now)
    ]
    units = line.units
    return (
        _moment(event.at),
        STATE_WORDS[event.state],
        code(line.tenant),
        code(line.resource),
        "?" if units is None else group_quantity(units, line.scale),
        escaped(line.message or line.code),
        code(event.identifier),
        ", ".join(left) or "nothing",
    )


def _closing(handoff: Handoff) -> Lines:
    if not handoff.billed:
        return ["This context has no Stripe."]
    if not handoff.closing:
        return [f"Nothing, of the periods that end within {handoff.closing_h} h."]
    titles = ("Ends", "Invoice closes", "Tenant", "Resource", "Period", ">Unsent")
    shown = handoff.closing[:MOST_LINES]
    rows = map(_unsent, shown)
    return [*table(titles, rows), *_and_more(len(handoff.closing) - len(shown))]


def _unsent(one: Unsent) -> Sequence[str]:
    units = amount_words(one.units, one.resource)
    parked = amount_words(one.parked, one.resource)
    return (
        _moment(one.ends),
        _moment(one.finalises),
        _who(one.tenant.id, one.tenant.name),
        code(one.resource.name),
        escaped(one.period),
        f"{units}, {parked} of them in letters" if one.parked else units,
    )


def _changes(handoff: Handoff) -> Lines:
    if not handoff.changes:
        return ["Nothing."]
    undone = {(each.tenant, each.undoes) for each in handoff.changes if each.undoes}
    rows = [
        _change(each, handoff, undone=(each.tenant, each.id) in undone)
        for each in handoff.changes
    ]
    titles = ("When", "Who", "What", "Tenant", "Resource", "Before → after", "Why")
    lines = table(titles, rows)
    if handoff.more_changes:
        lines += ["", "There are older ones: `meterdeck audit --since`."]
    return lines


def _change(entry: AuditEntry, handoff: Handoff, *, undone: bool) -> Sequence[str]:
    scale = handoff.scales.get(entry.resource, 0)
    change = f"{_value(entry.before, scale)} → {_value(entry.after, scale)}"
    change += f", {entry.bill.replace('_', ' ')}" if entry.bill else ""
    mark = "undo: " if entry.undoes else "undone: " if undone else ""
    return (
        _moment(entry.at),
        escaped(entry.actor, 60),
        escaped(entry.action, 40),
        code(entry.tenant),
        code(entry.resource),
        escaped(change),
        f"{mark}{escaped(entry.reason)}",
    )


def _value(text: str, scale: int) -> str:
    """Write what the trail has of a counter or an override, for a person."""
    units, until, end = text.partition(" until ")
    value = parse_counter(units.encode("utf-8", "surrogateescape"))
    if value is None:
        return text
    return f"{group_quantity(value, scale)}{until}{end}"


def _health(handoff: Handoff) -> Lines:
    shown = [each for each in handoff.health if _is_told(each)]
    fine = sum(each.verdict.severity is Severity.OK for each in handoff.health)
    lines = [_item(each) for each in shown]
    return [*lines, f"- {fine:,} of {len(handoff.health):,} checks are fine"]


def _is_told(item: Item) -> bool:
    return item.verdict.severity in (Severity.WARNING, Severity.FAULT)


def _item(item: Item) -> str:
    _, word = SIGNS[item.verdict.severity]
    mend = f": {escaped(item.verdict.mend, 400)}" if item.verdict.mend else ""
    found = escaped(item.verdict.found, 400)
    return f"- **{word}**, {item.section.value}, {item.title.lower()}: {found}{mend}"


def _who(tenant: str, name: str) -> str:
    return code(tenant) if name in ("", tenant) else f"{escaped(name)} {code(tenant)}"


def _and_more(count: int) -> Lines:
    return ["", f"And {count:,} more."] if count > 0 else []


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
