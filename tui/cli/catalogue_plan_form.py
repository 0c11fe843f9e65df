"""The JSON form of a catalogue's plan, and of what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.model.catalogue_steps import (
    CataloguePlan,
    ChangeMeter,
    ChangePrice,
    ChangeProduct,
    EndMeter,
    EndPrice,
    EndProduct,
    FieldChange,
    ReplacePrice,
    Step,
    Value,
)
from meterdeck.core.model.prices import Package, PerUnit, Tiered
from meterdeck.core.services.catalogue_steps import Applied
from meterdeck.tui.cli.catalogue_form import account_form, form_form
from meterdeck.tui.cli.json_form import Form


def plan_form(plan: CataloguePlan) -> Form:
    """Return a plan: its steps in order, and what is not done."""
    return {
        "agrees": plan.agrees,
        "steps": [_step(each, plan) for each in plan.steps],
        **_rest(plan),
    }


def applied_form(plan: CataloguePlan, done: Sequence[Applied]) -> Form:
    """Return a plan with what became of each step; those after a failure are null."""
    steps = []
    for number, step in enumerate(plan.steps):
        applied = done[number] if number < len(done) else None
        failed = applied.error if applied else None
        steps.append(
            {
                **_step(step, plan),
                "operation_id": applied.operation_id if applied else None,
                "done": applied is not None and failed is None,
                "error": str(failed) if failed else None,
            }
        )
    return {"agrees": plan.agrees, "steps": steps, **_rest(plan)}


def _rest(plan: CataloguePlan) -> Form:
    return {
        "problems": [{"where": each.where, "why": each.why} for each in plan.problems],
        "notes": list(plan.notes),
        "left_alone": account_form(plan.left_alone),
    }


def _step(step: Step, plan: CataloguePlan) -> Form:
    users = plan.users_of(step)
    return {
        "do": step.doing.value,
        "what": step.thing.value,
        "name": step.name,
        "id": _id(step),
        "changes": _changes(step),
        "subscriptions": users.subscriptions if users else None,
        "more_subscriptions": users.more if users else None,
        "tenants": list(users.tenants) if users else None,
    }


def _id(step: Step) -> str | None:
    match step:
        case ChangeMeter(meter=meter):
            return meter.id
        case EndMeter(meter_id=meter_id):
            return meter_id or None
        case ChangeProduct(name=name) | EndProduct(name=name):
            return name
        case ReplacePrice(old=price) | ChangePrice(price=price) | EndPrice(price=price):
            return price.id
        case _:
            return None


def _changes(step: Step) -> list[Form]:
    match step:
        case ReplacePrice():
            before, after = step.old.currency, step.spec.currency
            return [_change(each, before, after) for each in step.changes]
        case ChangeMeter() | ChangeProduct() | ChangePrice():
            return [_change(each) for each in step.changes]
        case _:
            return []


def _change(change: FieldChange, before: str = "", after: str = "") -> Form:
    return {
        "field": change.field,
        "before": _value(change.before, before),
        "after": _value(change.after, after),
    }


def _value(value: Value, currency: str) -> object:
    if isinstance(value, PerUnit | Package | Tiered):
        return {"currency": currency, **form_form(value, currency)}
    return value
