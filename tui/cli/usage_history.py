"""`meterdeck usage TENANT --history`: how fast, how long, and the periods before."""

from __future__ import annotations

from meterdeck.core.model.history import DAY, HOUR, Rate, Stretch
from meterdeck.core.model.tenant_history import (
    PastPeriod,
    ResourceHistory,
    Source,
    TenantHistory,
)
from meterdeck.core.model.usage import Broken, Resource, Tenant
from meterdeck.tui import history_words
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.json_form import (
    Form,
    context_form,
    moment,
    period_form,
    tenant_form,
    usage_form,
)
from meterdeck.tui.cli.output import Cell, Row, Tone
from meterdeck.tui.cli.words import amount, percent_cell, usage_row, used_words


async def show_history(call: Call, tenant: Tenant) -> int:
    """Print a tenant's history; Stripe is asked only where the command says so."""
    history = await call.engine.history.of(tenant)
    completing = call.engine.stripe_history
    if call.args.stripe and completing is not None:
        history = await completing.complete(history)
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "tenant": tenant_form(tenant),
                "at": moment(history.at),
                "history": [history_form(each) for each in history.resources],
                "notes": list(history.notes),
            }
        )
        return 0
    about = (tenant.id, tenant.plan or "no plan", tenant.status.value)
    call.out.line(tenant.name, Cell("  " + " · ".join(about), Tone.FAINT))
    for each in history.resources:
        _print(call, each)
    _print_notes(call, history)
    return 0


def _print(call: Call, history: ResourceHistory) -> None:
    out, resource = call.out, history.resource
    out.table([usage_row(history.usage, resource, out)], indent=2)
    rows: list[Row] = [
        (label, history_words.rate_words(rate, asked, resource.scale), Cell(
            history_words.lasts_words(history, rate), Tone.FAINT
        ))
        for label, rate, asked in (
            ("last hour", history.last_hour, HOUR),
            ("last 24 h", history.last_day, DAY),
        )
    ]  # fmt: skip
    rows += [
        (label, history_words.spark(stretches), Cell(said, Tone.FAINT))
        for label, stretches, said in (
            ("by hour", history.hours(), "24 h, this hour last"),
            ("by day", history.days(), _days_words(history)),
        )
    ]
    if history.at_end is not None:
        expected = f"~{amount(history.at_end, resource)}"
        rows.append(("at its end", expected, Cell("as the last day went", Tone.FAINT)))
    out.table(rows, indent=4)
    out.table([_past_row(call, each, resource) for each in history.earlier], indent=4)
    if history.problem:
        out.line(Cell(f"    {history.problem}", Tone.NEAR))


def _days_words(history: ResourceHistory) -> str:
    if history.by_stripe:
        return "days by Stripe: no worker has taken samples"
    return history_words.since_words(history, history.now)


def _past_row(call: Call, past: PastPeriod, resource: Resource) -> Row:
    today = "" if past.limit_then or past.limit is None else ", today's limit"
    whose = ", by Stripe" if past.source is Source.STRIPE else ""
    tone = Tone.HIGH if isinstance(past.used, Broken) else Tone.PLAIN
    return (
        past.period.label,
        Cell(used_words(past.used, resource), tone, right=True),
        Cell(f"of {amount(past.limit, resource)}{today}{whose}"),
        call.out.bar(past.percent),
        percent_cell(past.percent),
    )


def _print_notes(call: Call, history: TenantHistory) -> None:
    for note in history.notes:
        call.out.line(Cell(f"  {note}", Tone.NEAR))


def history_form(history: ResourceHistory) -> Form:
    """Return one counter's history; what is not known is null."""
    return {
        **usage_form(history.usage, history.resource),
        "known_since": moment(history.since),
        "last_hour": _rate_form(history, history.last_hour),
        "last_24_h": _rate_form(history, history.last_day),
        "expected_at_end": history.at_end,
        "hours": [_stretch_form(each) for each in history.hours()],
        "days": [_stretch_form(each) for each in history.days()],
        "days_source": "stripe" if history.by_stripe else "samples",
        "earlier": [_past_form(each) for each in history.earlier],
        "problem": history.problem or None,
    }


def _rate_form(history: ResourceHistory, rate: Rate | None) -> Form | None:
    if rate is None:
        return None
    until = history.until_limit(rate)
    return {
        "units_per_hour": round(rate.per_hour, 3),
        "over_s": round(rate.over.total_seconds()),
        "full_in_s": None if until is None else round(until.total_seconds()),
    }


def _stretch_form(stretch: Stretch) -> Form:
    return {
        "start": moment(stretch.start),
        "end": moment(stretch.end),
        "used": None if stretch.units is None else round(stretch.units),
        "whole": stretch.whole,
    }


def _past_form(past: PastPeriod) -> Form:
    broken = isinstance(past.used, Broken)
    return {
        "period": period_form(past.period),
        "used": None if broken else past.used,
        "limit": past.limit,
        "limit_known": past.limit_then,
        "percent": past.percent,
        "source": past.source.value,
    }
