"""`meterdeck alerts`: list alerts, acknowledge or snooze one, try the webhook out."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from meterdeck.core.model.alert_delivery import AlertDelivery
from meterdeck.core.model.alert_rules import Severity
from meterdeck.core.model.alert_sight import AlertSight, SeenAlert, alert_filter
from meterdeck.core.model.alert_words import alert_form, headline, resource_of
from meterdeck.core.model.alerts import Alert, AlertState
from meterdeck.core.model.wording import minute
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import context_form, moment
from meterdeck.tui.cli.output import Cell, Tone, note
from meterdeck.tui.cli.when import parse_until, show_moment


def run(args: Namespace) -> int:
    """List the alerts that are not over, or all."""
    return run_call(args, _list)


def run_ack(args: Namespace) -> int:
    """Say that somebody has seen an alert."""
    return run_call(args, _ack)


def run_snooze(args: Namespace) -> int:
    """Have an alert be quiet until a moment."""
    return run_call(args, _snooze)


def run_test(args: Namespace) -> int:
    """Post a test alert; 0 where it was taken, 3 where it was not."""
    return run_call(args, _test)


async def _list(call: Call) -> int:
    sight = await call.engine.alerts.look(history=call.args.everything)
    takes = alert_filter(call.args.filter, lambda: sight.at)
    found = [seen for seen in sight.alerts if takes(seen)]
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "alerts": [_form(call, seen, sight) for seen in found],
                "more": sight.more,
                "watched": sight.watched,
                "watched_at": moment(sight.watched_at),
            }
        )
        return 0
    call.out.table([_row(call, seen, sight) for seen in found])
    if not found:
        note("no alert is open" if not call.args.filter else "no alert is like that")
    _say_who_watches(sight)
    return 0


def _say_who_watches(sight: AlertSight) -> None:
    if sight.more:
        note("there are more: only the newest are listed")
    if not sight.rules:
        note("no rule is set: see [alerts.*] in docs/alerts.md")
    elif not sight.watched:
        since = f" since {minute(sight.watched_at)}" if sight.watched_at else ""
        note(f"no worker runs{since}: nobody watches; start one with: meterdeck sync")


def _form(call: Call, seen: SeenAlert, sight: AlertSight) -> dict[str, object]:
    form = alert_form(call.context, seen.alert)
    form["state"] = seen.alert.state_at(sight.at).value
    return {**form, "deliveries": [_delivery_form(each) for each in seen.deliveries]}


def _delivery_form(delivery: AlertDelivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "type": delivery.telling.value,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "tried_at": moment(delivery.tried_at),
        "next_at": moment(delivery.next_at) if delivery.waits else None,
        "problem": delivery.problem or None,
    }


def _row(call: Call, seen: SeenAlert, sight: AlertSight) -> tuple[Cell | str, ...]:
    alert = seen.alert
    critical = alert.severity is Severity.CRITICAL and alert.live
    return (
        Cell(alert.id, firm=True),
        Cell(alert.severity.value, Tone.HIGH if critical else Tone.PLAIN, firm=True),
        Cell(_state(alert, sight.at), firm=True),
        headline(alert, resource_of(call.context, alert)),
        Cell(alert.slot.rule, Tone.FAINT),
        Cell(minute(alert.opened_at), firm=True),
        Cell("undelivered" if seen.undelivered else "", Tone.HIGH, firm=True),
    )


def _state(alert: Alert, now: datetime) -> str:
    state, handled = alert.state_at(now), alert.handled
    if handled is None or state in (AlertState.OPEN, AlertState.RESOLVED):
        return state.value
    until = f" until {minute(handled.until)}" if handled.until else ""
    return f"{state.value}{until} by {handled.by}"


async def _ack(call: Call) -> int:
    call.refuse_read_only()
    args = call.args
    done = await call.engine.alerts.acknowledge(
        args.alert, actor=current_actor(), note=args.note
    )
    return _tell(call, done, "acknowledged")


async def _snooze(call: Call) -> int:
    call.refuse_read_only()
    args = call.args
    until = parse_until(args.until, await call.engine.now())
    done = await call.engine.alerts.snooze(
        args.alert, until, actor=current_actor(), note=args.note
    )
    return _tell(call, done, f"snoozed until {show_moment(until)}")


def _tell(call: Call, alert: Alert, what: str) -> int:
    if call.out.as_json:
        form = alert_form(call.context, alert)
        call.out.object({**context_form(call.context), "alert": form})
    else:
        said = headline(alert, resource_of(call.context, alert))
        call.out.line(f"{alert.id} · {said} · {what}")
    return 0


async def _test(call: Call) -> int:
    delivery, problem = await call.engine.alerts.test(current_actor())
    webhook = call.context.alerts.webhook
    host = webhook.host if webhook else ""
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                "delivery": delivery,
                "host": host,
                "delivered": not problem,
                "problem": problem or None,
            }
        )
    elif problem:
        note(f"{host} did not take it: {problem}")
    else:
        call.out.line(f"{host} has taken the test alert {delivery}")
    return 3 if problem else 0
