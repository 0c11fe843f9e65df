"""`meterdeck catalogue meter create` and `price create`: as the console's forms."""

from __future__ import annotations

from argparse import Namespace

from meterdeck.core.errors import BadInput, NotFound
from meterdeck.core.model.catalogue import Account
from meterdeck.core.model.catalogue_draft import Form, MeterDraft, PriceDraft
from meterdeck.core.model.prices import Formula, Interval, ProductInfo, Round
from meterdeck.core.model.subscriptions import MeterInfo
from meterdeck.core.model.text import visible
from meterdeck.core.services.catalogue_creation import create_price_and_product
from meterdeck.core.settings.catalogue_draft import (
    DraftedMeter,
    DraftedPrice,
    drafted_meter,
    drafted_price,
)
from meterdeck.tui.cli.arguments import operation_id_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.catalogue_form import meter_form, price_form
from meterdeck.tui.cli.confirm import confirm
from meterdeck.tui.cli.json_form import Form as JsonForm
from meterdeck.tui.cli.json_form import context_form
from meterdeck.tui.cli.output import Cell, Tone, note


def run_meter(args: Namespace) -> int:
    """Create a meter."""
    return run_call(args, _meter)


def run_price(args: Namespace) -> int:
    """Create a price, and its product where that is new."""
    return run_call(args, _price)


async def _meter(call: Call) -> int:
    call.refuse_read_only()
    args, account = call.args, await call.engine.catalogue.account()
    draft = MeterDraft(
        args.event_name,
        args.display_name,
        Formula(args.formula),
        args.customer_key,
        args.value_key,
        args.window,
    )
    drafted = drafted_meter(draft, call.context.catalogue, _others(call, account))
    if args.dry_run:
        return _foresee(call, drafted)
    confirm(call, f"create the meter {drafted.spec.event_name}")
    operation_id = operation_id_of(args)
    made = await call.engine.catalogue.create_meter(drafted.spec, operation_id)
    return _tell(call, drafted, {"meter": meter_form(made)}, made.id, operation_id)


async def _price(call: Call) -> int:
    call.refuse_read_only()
    args, service = call.args, call.engine.catalogue
    account = await service.account()
    draft = PriceDraft(
        lookup_key=args.lookup_key,
        form=_form(args),
        product=product_of(account, args.product) if args.product else None,
        new_product=args.new_product,
        meter=meter_of(account, args.meter) if args.meter else None,
        amount=args.unit or args.package or "",
        size=args.size,
        round=Round(args.round),
        tiers=tuple(args.tier),
        interval=Interval(args.interval),
        interval_count=args.interval_count,
        nickname=args.nickname,
    )
    drafted = drafted_price(draft, call.context.catalogue, _others(call, account))
    if args.dry_run:
        return _foresee(call, drafted)
    for warning in drafted.warnings:
        note(f"warning: {warning}")
    confirm(call, f"create the price {drafted.spec.lookup_key}")
    operation_id = operation_id_of(args)
    price = await create_price_and_product(
        service,
        drafted.spec,
        drafted.product or drafted.product_id,
        drafted.meter_id,
        operation_id,
    )
    return _tell(call, drafted, {"price": price_form(price)}, price.id, operation_id)


def meter_of(account: Account, name: str) -> MeterInfo:
    """Return the meter of an event name or an id.

    Raises:
        NotFound: There is none.
    """
    for meter in account.meters:
        if name in (meter.event_name, meter.id):
            return meter
    raise NotFound(f"no meter is called {visible(name)}; see: catalogue --all")


def product_of(account: Account, name: str) -> ProductInfo:
    """Return the product of an id or a name.

    Raises:
        NotFound: There is none.
        BadInput: Several have the name.
    """
    for product in account.products:
        if name == product.id:
            return product
    named = [each for each in account.products if each.name == name]
    if len(named) > 1:
        ids = ", ".join(visible(each.id, 40) for each in named)
        raise BadInput(f"{visible(name)} is the name of several products: {ids}")
    if not named:
        raise NotFound(f"no product is called {visible(name)}; give --new-product NAME")
    return named[0]


def _others(call: Call, account: Account) -> Account:
    """Return what a new name must not be taken by.

    Of a repeated operation Stripe says whether it was this one that took it.
    """
    return account if call.args.operation_id is None else Account()


def _form(args: Namespace) -> Form:
    if args.unit is not None:
        return Form.UNIT
    return Form.PACKAGE if args.package is not None else Form(args.mode)


def _foresee(call: Call, drafted: DraftedMeter | DraftedPrice) -> int:
    if call.out.as_json:
        call.out.object(_answer(call, drafted, {}, None))
        return 0
    for line in drafted.text.rstrip("\n").split("\n"):
        call.out.line(line)
    for warning in _warnings(drafted):
        note(f"warning: {warning}")
    note("dry run: nothing was created; this declares it")
    return 0


def _tell(
    call: Call,
    drafted: DraftedMeter | DraftedPrice,
    made: JsonForm,
    object_id: str,
    operation_id: str,
) -> int:
    if call.out.as_json:
        call.out.object(_answer(call, drafted, made, operation_id))
        return 0
    call.out.line(
        Cell("created ", Tone.GOOD), object_id, Cell(f"  {operation_id}", Tone.FAINT)
    )
    note("the configuration is the source of truth; to declare it add:")
    for line in drafted.text.rstrip("\n").split("\n"):
        call.out.line(line)
    return 0


def _warnings(drafted: DraftedMeter | DraftedPrice) -> tuple[str, ...]:
    return drafted.warnings if isinstance(drafted, DraftedPrice) else ()


def _answer(
    call: Call,
    drafted: DraftedMeter | DraftedPrice,
    made: JsonForm,
    operation_id: str | None,
) -> JsonForm:
    what = "meter" if isinstance(drafted, DraftedMeter) else "price"
    return {
        **context_form(call.context),
        what: None,
        **made,
        "toml": drafted.text,
        "warnings": list(_warnings(drafted)),
        "operation_id": operation_id,
        "dry_run": operation_id is None,
    }
