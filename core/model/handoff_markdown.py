"""A handoff as Markdown: to be pasted into a ticket, a chat or a wiki."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from meterdeck.core.model.changes import AuditEntry
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.model.event_changes import length_words
from meterdeck.core.model.handoff import (
    AlertNote,
    AtRisk,
    EndingOverride,
    Handoff,
    Part,
)
from meterdeck.core.model.handoff_billing import closing_part, drift_part, letters_part
from meterdeck.core.model.handoff_words import (
    MOST_LINES,
    Lines,
    and_more,
    who,
)
from meterdeck.core.model.health_items import SIGNS, Item
from meterdeck.core.model.markdown import code, escaped, table
from meterdeck.core.model.override_ends import amount_words, ending_words
from meterdeck.core.model.wording import minute, trail_words

_HALF_MINUTE = timedelta(seconds=30)  # a shift is rounded, as it is read later


def handoff_markdown(handoff: Handoff) -> str:
    """Return the whole text; names from outside are made visible and escaped."""
    parts: list[tuple[Part, Callable[[Handoff], Lines]]] = [
        (Part.RISK, _risks),
        (Part.ALERTS, _alerts),
        (Part.DRIFT, drift_part),
        (Part.OVERRIDES, _overrides),
        (Part.LETTERS, letters_part),
        (Part.CLOSING, closing_part),
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
        f"{minute(handoff.at)} UTC by {who}, for the {length}"
        f" since {minute(handoff.since)} UTC.",
        _totals(handoff),
        "",
        _summary(handoff),
    ]


def _totals(handoff: Handoff) -> str:
    if Part.RISK in handoff.unread:
        return "How many tenants are at a limit was not read."
    return (
        f"{handoff.tenants:,} tenants: {handoff.at_limit:,} at a limit,"
        f" {handoff.over90:,} over 90 %."
    )


def _summary(handoff: Handoff) -> str:
    """Return the line that is read where no other is."""
    tight = sum(each.ending.tight for each in handoff.overrides)
    soon = sum(not each.full for each in handoff.risks)
    rows = handoff.last_pass.rows if handoff.last_pass else ()
    bad = sum(each.verdict.severity is Severity.FAULT for each in handoff.health)
    wrong = sum(not each.agreed for each in rows)
    alerts = sum(each.open for each in handoff.alerts)
    told = [
        _counted(alerts, "alert that nobody has seen to", "alerts that nobody has seen"
                 " to"),
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
    return [*table(titles, rows), *and_more(handoff.more_risks)]


def _risk(risk: AtRisk) -> Sequence[str]:
    tenant, full_in = risk.tenant, risk.full_in
    when = f"in ~{length_words(full_in)}" if full_in is not None else "–"
    return (
        who(tenant.id, tenant.name),
        code(risk.resource.name),
        amount_words(risk.used, risk.resource),
        amount_words(risk.limit, risk.resource),
        f"{risk.percent}",
        "**now**" if risk.full else when,
        escaped(tenant.plan) or "none",
        escaped(tenant.status.value),
    )


def _alerts(handoff: Handoff) -> Lines:
    lines = ["None."] if handoff.alert_rules else ["No alert rule is set."]
    if handoff.alerts:
        titles = ("Since", "Severity", "What", "Rule", "State")
        shown = handoff.alerts[:MOST_LINES]
        lines = table(titles, map(_alert, shown))
        lines += and_more(len(handoff.alerts) - len(shown))
    if handoff.alert_rules and not handoff.alerts_watched:
        lines += ["", "**No worker runs: nobody watches.**"]
    return lines


def _alert(alert: AlertNote) -> Sequence[str]:
    return (
        minute(alert.since),
        f"**{alert.severity}**" if alert.severity == "critical" else alert.severity,
        escaped(alert.words),
        escaped(alert.rule),
        escaped(alert.state),
    )


def _overrides(handoff: Handoff) -> Lines:
    lines: Lines = ["None."]
    if handoff.overrides:
        titles = ("Ends", "Tenant", "Resource", ">Limit", ">Used", "Then", "By", "Why")
        shown = handoff.overrides[:MOST_LINES]
        lines = table(titles, [_ending(each, handoff.at) for each in shown])
        lines += and_more(len(handoff.overrides) - len(shown))
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
        f"{minute(override.expires_at)} (in {left})",
        who(ending.fallback.tenant.id, ending.fallback.tenant.name),
        code(resource.name),
        "unlimited" if override.units is None
        else amount_words(override.units, resource),
        amount_words(used, resource) if isinstance(used, int) else "unknown",
        f"**{then}**" if ending.tight else then,
        escaped(override.actor, 60),
        escaped(override.reason),
    )  # fmt: skip


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
    change = f"{trail_words(entry.before, scale)} → {trail_words(entry.after, scale)}"
    change += f", {entry.bill.replace('_', ' ')}" if entry.bill else ""
    mark = "undo: " if entry.undoes else "undone: " if undone else ""
    return (
        minute(entry.at),
        escaped(entry.actor, 60),
        escaped(entry.action, 40),
        code(entry.tenant),
        code(entry.resource),
        escaped(change),
        f"{mark}{escaped(entry.reason)}",
    )


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
    about = f"{item.section.value}, {escaped(item.title.lower())}"
    return f"- **{word}**, {about}: {found}{mend}"
