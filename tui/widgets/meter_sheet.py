"""A meter in full: what it makes of events, the newest of them, its prices."""

from __future__ import annotations

from collections.abc import Iterator

from textual.strip import Strip

from meterdeck.core.model.catalogue_sight import MeterSight, price_name
from meterdeck.core.model.event_changes import STATE_WORDS
from meterdeck.core.model.events import LoggedEvent
from meterdeck.core.model.prices import Formula
from meterdeck.tui import event_words, phrases, price_glance
from meterdeck.tui.picture import Picture
from meterdeck.tui.render import Align, Line
from meterdeck.tui.themes import Role
from meterdeck.tui.widgets.sheet import Sheet


def head(sheet: Sheet, seen: MeterSight) -> list[Strip]:
    """Return what a meter is, and what is odd about it."""
    meter = seen.meter
    sign, role = ("●", Role.GOOD) if meter.active else ("○", Role.MUTED)
    notes = [seen.mark.value, "active" if meter.active else "inactive"]
    name = meter.display_name or meter.event_name
    title = sheet.title(sign, role, name, " · ".join(filter(None, notes)))
    return [
        title,
        *sheet.identity(f"events named {meter.event_name}", meter.id),
        *(sheet.warning(text) for text in seen.warnings),
    ]


def body(
    sheet: Sheet, seen: MeterSight, newest: LoggedEvent | None, picture: Picture
) -> list[Strip]:
    """Return the facts of a meter, then its prices."""
    made = [sheet.pair(label, value) for label, value in _facts(seen, picture)]
    made += [sheet.pair("last event", _newest(newest, picture))]
    made += [sheet.blank(), sheet.heading("Prices", _count(seen))]
    for each in seen.prices:
        price = each.price
        role = Role.TEXT if price.active else Role.MUTED
        line = Line().add("   ", sheet.style(role))
        name = max(min(sheet.width - 36, 34), 12)
        line.field(price_name(price), name, sheet.style(role))
        words = price_glance.form_words(price) if price.active else "archived"
        room = max(sheet.width - line.width - 11, 0)
        line.field(f" {words}", room, sheet.style(Role.MUTED))
        users = "…" if each.users is None else phrases.counted(
            each.users.subscriptions, "tenant"
        )  # fmt: skip
        made.append(sheet.strip(line.field(users, 10, sheet.style(role), Align.RIGHT)))
    return made


def _facts(seen: MeterSight, picture: Picture) -> Iterator[tuple[str, str]]:
    meter = seen.meter
    known = {formula.value: words for formula, words in price_glance.FORMULAS.items()}
    yield "counts", known.get(meter.formula, meter.formula)
    if meter.formula != Formula.COUNT.value:
        yield "value in", f"payload.{meter.value_key}"
    yield "customer in", f"payload.{meter.customer_key}"
    if meter.event_time_window:
        yield "window", f"the last value of each {meter.event_time_window} counts"
    resources = [
        resource.label
        for resource in picture.context.resources
        if resource.meter == meter.event_name
    ]
    yield "fed by", ", ".join(resources) or "no resource of this context"
    if meter.created is not None:
        yield "created", f"{phrases.moment(meter.created)} UTC"
    if meter.deactivated_at is not None:
        yield "deactivated", f"{phrases.moment(meter.deactivated_at)} UTC"


def _newest(newest: LoggedEvent | None, picture: Picture) -> str:
    if newest is None:
        return "none in the delivery log"
    who = event_words.tenant_of(newest, picture).name
    value, state = newest.event.value, STATE_WORDS[newest.life]
    return f"{phrases.recent(newest.at, picture.now()).strip()} {who}, {value}, {state}"


def _count(seen: MeterSight) -> str:
    users = seen.users
    if not seen.prices:
        return "none; n creates one"
    if users is None:
        return "asking who uses them …"
    return f"{phrases.counted(users.subscriptions, 'tenant')} in all"
