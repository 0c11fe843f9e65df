"""`meterdeck catalogue meter deactivate|reactivate` and `price archive|activate`."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import BadInput, NotFound
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.catalogue_sight import (
    Findings,
    MeterSight,
    PriceSight,
    price_name,
    sight_of,
)
from meterdeck.core.model.prices import PriceInfo
from meterdeck.core.model.text import visible
from meterdeck.tui.catalogue_effects import effects
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.catalogue_form import meter_form, price_form
from meterdeck.tui.cli.catalogue_objects import meter_of
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.json_form import Form, context_form
from meterdeck.tui.cli.output import Cell, Tone, note

_NAMES = 1_000


def run_deactivate(args: Namespace) -> int:
    """Have Stripe refuse a meter's events."""
    return run_call(args, lambda call: _meter(call, active=False))


def run_reactivate(args: Namespace) -> int:
    """Have Stripe take a meter's events again."""
    return run_call(args, lambda call: _meter(call, active=True))


def run_archive(args: Namespace) -> int:
    """Keep new subscriptions from a price."""
    return run_call(args, lambda call: _price(call, active=False))


def run_activate(args: Namespace) -> int:
    """Let new subscriptions have a price again."""
    return run_call(args, lambda call: _price(call, active=True))


async def _meter(call: Call, *, active: bool) -> int:
    call.refuse_read_only()
    service = call.engine.catalogue
    account = await service.account()
    meter = meter_of(account, call.args.meter)
    if meter.active is active:
        return _tell(call, "meter", meter_form(meter), (), None)
    prices = [price.id for price in account.prices if price.meter_id == meter.id]
    # All their names: who has two prices of the meter counts once.
    users = await service.users(prices, names=_NAMES)
    sight = sight_of(account, call.context.catalogue, Findings(users))
    seen = next(each for each in sight.meters if each.meter.id == meter.id)
    said = tuple(effects(seen, call.context.resources))
    if call.args.dry_run:
        return _tell(call, "meter", meter_form(meter), said, None)
    _ask(call, seen, said)
    operation_id = operation_id_of(call.args)
    done = await service.set_meter_active(meter.id, active, operation_id)
    return _tell(call, "meter", meter_form(done), said, operation_id)


async def _price(call: Call, *, active: bool) -> int:
    call.refuse_read_only()
    service = call.engine.catalogue
    account = await service.account()
    price = price_of(account, call.args.price)
    if price.active is active:
        return _tell(call, "price", price_form(price), (), None)
    users = await service.users((price.id,))
    sight = sight_of(account, call.context.catalogue, Findings(users))
    seen = next(each for each in sight.prices if each.price.id == price.id)
    said = tuple(effects(seen, call.context.resources))
    if call.args.dry_run:
        return _tell(call, "price", price_form(price), said, None)
    _ask(call, seen, said)
    operation_id = operation_id_of(call.args)
    switch = service.activate_price if active else service.archive_price
    done = await switch(price.id, operation_id)
    return _tell(call, "price", price_form(done), said, operation_id)


def price_of(account: Account, name: str) -> PriceInfo:
    """Return the price of a lookup key or an id.

    Raises:
        NotFound: There is none.
        BadInput: It names nothing.
    """
    if not name:
        raise BadInput("an empty name is no price; give its lookup key or its id")
    for price in account.prices:
        if name in (price.id, price.lookup_key):
            return price
    raise NotFound(f"no price is called {visible(name)}; see: catalogue --all")


def _ask(call: Call, seen: MeterSight | PriceSight, said: tuple[str, ...]) -> None:
    if isinstance(seen, MeterSight):
        name = f"the meter {seen.meter.event_name}"
    else:
        name = f"the price {price_name(seen.price)}"
    confirm(call, f"{name}: {'; '.join(said)}")


def _tell(
    call: Call, what: str, form: Form, said: tuple[str, ...], operation_id: str | None
) -> int:
    """Print how it is now; without an operation id nothing was changed."""
    if call.out.as_json:
        call.out.object(
            {
                **context_form(call.context),
                what: form,
                "effects": list(said),
                "operation_id": operation_id,
                "dry_run": bool(call.args.dry_run),
            }
        )
        return 0
    name = str(form.get("event_name") or form.get("lookup_key") or form["id"])
    ended = "inactive" if what == "meter" else "archived"
    state = "active" if form["active"] else ended
    call.out.line(
        f"{what} {name}: ", Cell(state, Tone.GOOD if form["active"] else Tone.NEAR)
    )
    for sentence in said:
        call.out.line(f"  {sentence}")
    if operation_id is None and call.args.dry_run and said:
        note("dry run: nothing was changed")
    elif operation_id is None:
        note("it is so already; nothing was changed")
    return 0
