"""The parts of a handoff about what Stripe has: drift, letters, what is unsent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterdeck.core.model.drift import Drifted, LastPass, worst_first
from meterdeck.core.model.event_changes import STATE_WORDS, length_words
from meterdeck.core.model.handoff import Handoff, Unsent
from meterdeck.core.model.handoff_words import (
    MOST_LINES,
    Lines,
    and_more,
    who,
)
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.markdown import code, escaped, table
from meterdeck.core.model.override_ends import amount_words
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.windows import Window
from meterdeck.core.model.wording import counted, minute


def drift_part(handoff: Handoff) -> Lines:
    """Tell what the workers' last reconciliation found."""
    if not handoff.billed:
        return ["This context has no Stripe."]
    last = handoff.last_pass
    if last is None:
        return ["No worker has compared the counters with Stripe yet."]
    ago = length_words(handoff.at - last.at)
    how = "all counters" if last.everything else "the counters that had changed"
    looked = (
        f"Last compared {minute(last.at)} UTC ({ago} ago, by {escaped(last.by)}):"
        f" {how}, {last.compared:,} of them;"
    )
    wrong = [each for each in worst_first(last.rows) if not each.agreed]
    told = _drift_counts(last, len(wrong))
    rows = [_drifted(each, handoff) for each in wrong[:MOST_LINES]]
    titles = ("Tenant", "Resource", "Period", ">Used", ">Accepted", ">Stripe", "Causes")
    lines = [f"{looked} {told}"]
    if rows:
        lines += ["", *table(titles, rows), *and_more(len(wrong) - len(rows))]
    return lines


def _drift_counts(last: LastPass, wrong: int) -> str:
    differ = "**1 differs**" if wrong == 1 else f"**{wrong:,} differ**"
    parts = [differ if wrong else "none differs"]
    parts += [f"{last.more:,} more differ or are on their way"] if last.more else []
    parts += [f"{last.unasked:,} could not be compared"] if last.unasked else []
    if last.since is not None:
        parts.append(f"the oldest unexplained unit is of {minute(last.since)} UTC")
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


def letters_part(handoff: Handoff) -> Lines:
    """Tell which events need somebody."""
    if not handoff.letters:
        return ["None: no event is dead, refused or ambiguous."]
    titles = ("Since", "State", "Tenant", "Resource", ">Units", "Why", "Event", "Left")
    shown = handoff.letters[:MOST_LINES]
    rows = [_letter(event, windows, handoff) for event, windows in shown]
    return [*table(titles, rows), *and_more(len(handoff.letters) - len(shown))]


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
        minute(event.at),
        STATE_WORDS[event.state],
        code(line.tenant),
        code(line.resource),
        "?" if units is None else group_quantity(units, line.scale),
        escaped(line.message or line.code),
        code(event.identifier),
        ", ".join(left) or "nothing",
    )


def closing_part(handoff: Handoff) -> Lines:
    """Tell what Stripe does not have as periods end."""
    if not handoff.billed:
        return ["This context has no Stripe."]
    queued = counted(handoff.queued, "event", "events")
    besides = ["", f"In the queue of `track`: {queued}."] if handoff.queued else []
    if not handoff.closing:
        what = "No counter" if handoff.queued else "Nothing"
        none = f"{what}, of the periods that end within {handoff.closing_h} h."
        return [none, *besides]
    titles = ("Ends", "Invoice closes", "Tenant", "Resource", "Period", ">Unsent")
    shown = handoff.closing[:MOST_LINES]
    rows = map(_unsent, shown)
    more = and_more(len(handoff.closing) - len(shown))
    return [*table(titles, rows), *more, *besides]


def _unsent(one: Unsent) -> Sequence[str]:
    units = amount_words(one.units, one.resource)
    parked = amount_words(one.parked, one.resource)
    return (
        minute(one.ends),
        minute(one.finalises),
        who(one.tenant.id, one.tenant.name),
        code(one.resource.name),
        escaped(one.period),
        f"{units}, {parked} of them in letters" if one.parked else units,
    )
