"""Steps of a catalogue's plan in words, for the command line and the console."""

from __future__ import annotations

from collections.abc import Iterator

from meterdeck.core.model.catalogue import Account, PriceSpec, PriceUsers
from meterdeck.core.model.catalogue_prices import REPLACED_MARK
from meterdeck.core.model.catalogue_steps import (
    CataloguePlan,
    CreateMeter,
    CreatePrice,
    CreateProduct,
    Doing,
    EndMeter,
    EndPrice,
    EndProduct,
    FieldChange,
    ReplacePrice,
    Step,
)
from meterdeck.core.model.prices import PriceForm, PriceInfo, Tiered
from meterdeck.tui.price_words import (
    form_words,
    interval_words,
    tier_amount,
    tier_lines,
)

MARKS = {Doing.CREATE: "+", Doing.CHANGE: "~", Doing.REPLACE: "±", Doing.ARCHIVE: "-"}
"""The sign of what a step does."""

_FIRST_NAMES = 3


def step_words(step: Step) -> Iterator[str]:
    """Yield what a step does, a line each: what is new, or old → new."""
    match step:
        case CreateMeter(spec):
            yield f"{spec.display_name}, {spec.formula} of {spec.value_key}"
        case CreateProduct(spec):
            yield spec.title
        case CreatePrice(spec, _, event_name):
            first, *tiers = _form_lines(spec.form, spec.currency, event_name)
            every = interval_words(spec.interval, spec.interval_count)
            yield f"{first}, {every}{f' for {event_name}' if event_name else ''}"
            yield from tiers
        case ReplacePrice():
            yield from _replacement(step)
        case EndMeter(replaced_by=replaced_by):
            instead = f"; {replaced_by} is in its place" if replaced_by else ""
            yield f"deactivated: Stripe refuses its events from then on{instead}"
        case EndProduct():
            yield "archived: it cannot be bought any more"
        case EndPrice(_, price, _):
            yield f"{price.id} archived: an earlier run that was cut short left it over"
        case _:
            yield from map(_change, step.changes)


def effect_words(step: Step, users: PriceUsers | None) -> str:
    """Return what it is for those who are billed by what a step ends; or nothing."""
    if users is None:
        return ""
    who, count = users_words(users), users.subscriptions
    stay = "stays" if count == 1 else "stay"
    match step:
        case ReplacePrice(old=price) | EndPrice(price=price):
            return f"{who} {stay if count else 'is'} on {price.id}"
        case _ if count:
            return f"billed by it, and for nothing more from then on: {who}"
        case _:
            return ""


def users_words(users: PriceUsers) -> str:
    """Return who is billed, such as `2 subscriptions (acme, globex)`."""
    count, first = users.subscriptions, users.tenants[:_FIRST_NAMES]
    if not count:
        return "no subscription"
    number = f"{count:,} or more" if users.more else f"{count:,}"
    named = ", ".join(first) + (", …" if count > len(first) else "")
    return f"{number} subscription{'s' if count > 1 else ''} ({named})"


def totals_words(plan: CataloguePlan) -> str:
    """Return how much a plan does: `2 to create, 1 to replace`."""
    counts = dict.fromkeys(Doing, 0)
    for step in plan.steps:
        counts[step.doing] += 1
    return ", ".join(f"{n:,} to {doing}" for doing, n in counts.items() if n)


def left_alone_words(left: Account) -> str:
    """Return what is left alone, empty where nothing is."""
    families = (
        ("meter", [each.event_name for each in left.meters]),
        ("product", [each.id for each in left.products]),
        ("price", [each.lookup_key or each.id for each in left.prices]),
    )
    return "; ".join(
        f"{len(names):,} {what}{'s' if names[1:] else ''} ({_first(names)})"
        for what, names in families
        if names
    )


def _first(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:_FIRST_NAMES])
    return f"{shown}, …" if len(names) > _FIRST_NAMES else shown


def _replacement(step: ReplacePrice) -> Iterator[str]:
    for each in step.changes:
        if each.field == "amount":
            yield from _amounts(step)
        else:
            yield _change(each)
    if step.default_of:
        yield f"the new one becomes the default price of {step.default_of}"


def _amounts(step: ReplacePrice) -> Iterator[str]:
    old, spec = step.old, step.spec
    if _alike(old, spec):
        yield from _tier_changes(old.form, spec.form, spec.currency)
        return
    before_lines = _form_lines(old.form, old.currency, old.meter_id)
    after_lines = _form_lines(spec.form, spec.currency, step.event_name)
    if len(before_lines) == len(after_lines) == 1:
        yield f"{before_lines[0]} → {after_lines[0]}"
        return
    for word, lines in (("from", before_lines), ("to", after_lines)):
        yield f"{word} {lines[0]}"
        yield from lines[1:]


def _alike(old: PriceInfo, spec: PriceSpec) -> bool:
    """Tell whether only amounts differ: the same tiers of the same mode."""
    before, after = old.form, spec.form
    return (
        isinstance(before, Tiered)
        and isinstance(after, Tiered)
        and before.mode is after.mode
        and old.currency == spec.currency
        and [tier.up_to for tier in before.tiers] == [t.up_to for t in after.tiers]
    )


def _tier_changes(
    before: PriceForm | None, after: PriceForm, currency: str
) -> Iterator[str]:
    assert isinstance(before, Tiered)
    assert isinstance(after, Tiered)
    yield after.mode
    lines = tier_lines(before, currency)
    for line, old, new in zip(lines, before.tiers, after.tiers, strict=True):
        yield f"  {line}" + (f" → {tier_amount(new, currency)}" if new != old else "")


def _form_lines(form: PriceForm | None, currency: str, meter: str) -> list[str]:
    """Return what a price asks for; of tiers their mode, and a line each."""
    if isinstance(form, Tiered):
        return [form.mode, *(f"  {each}" for each in tier_lines(form, currency))]
    return [form_words(form, currency, metered=bool(meter))]


def _change(change: FieldChange) -> str:
    if change.field == REPLACED_MARK:
        return "no longer marked as being replaced"
    if change.field == "active":
        return "active again" if change.after else "archived: it cannot be bought"
    return f"{change.field}: {_value(change.before)} → {_value(change.after)}"


def _value(value: object) -> str:
    return str(value) if value not in ("", None) else "none"
