"""The grammar of the commands that create and end single meters and prices."""

from __future__ import annotations

import argparse

from meterdeck.tui.cli.command import Commands, add_command
from meterdeck.tui.cli.commands_that_write import add_operation_id, add_write_options

_FORMULAS = ("sum", "count", "last")
_INTERVALS = ("day", "week", "month", "year", "one_time")


def add_catalogue_objects(actions: Commands, common: argparse.ArgumentParser) -> None:
    """Add meter and price below catalogue, and what each does."""
    meter = actions.add_parser("meter", help="create a meter, deactivate it, or back")
    doing = meter.add_subparsers(metavar="ACTION", required=True)
    _add_meter_create(doing, common)
    for verb, purpose in (
        ("deactivate", "have Stripe refuse a meter's events"),
        ("reactivate", "have Stripe take a meter's events again"),
    ):
        parser = add_command(
            doing, common, verb, purpose, f"catalogue_switch:run_{verb}"
        )
        parser.add_argument("meter", metavar="METER", help="its event name or its id")
        _add_writing(parser)

    price = actions.add_parser("price", help="create a price, archive it, or back")
    doing = price.add_subparsers(metavar="ACTION", required=True)
    _add_price_create(doing, common)
    for verb, purpose in (
        ("archive", "keep new subscriptions from a price"),
        ("activate", "let new subscriptions have an archived price again"),
    ):
        parser = add_command(
            doing, common, verb, purpose, f"catalogue_switch:run_{verb}"
        )
        parser.add_argument("price", metavar="PRICE", help="its lookup key or its id")
        _add_writing(parser)


def _add_meter_create(doing: Commands, common: argparse.ArgumentParser) -> None:
    create = add_command(
        doing,
        common,
        "create",
        "create a meter; prints what declares it, too",
        "catalogue_objects:run_meter",
    )
    create.add_argument(
        "event_name", metavar="EVENT_NAME", help="what its events are called, for good"
    )
    create.add_argument("--display-name", metavar="TEXT", default="")
    create.add_argument(
        "--formula",
        choices=_FORMULAS,
        default="sum",
        help="what a period's events make (default: sum)",
    )
    create.add_argument(
        "--customer-key", metavar="KEY", default="", help="(stripe_customer_id)"
    )
    create.add_argument("--value-key", metavar="KEY", default="", help="(value)")
    create.add_argument(
        "--window",
        choices=("hour", "day"),
        default="",
        help="only the last value of each counts",
    )
    _add_writing(create)


def _add_price_create(doing: Commands, common: argparse.ArgumentParser) -> None:
    create = add_command(
        doing,
        common,
        "create",
        "create a price; prints what declares it, too",
        "catalogue_objects:run_price",
    )
    create.add_argument("lookup_key", metavar="LOOKUP_KEY", help="its name in Stripe")
    product = create.add_mutually_exclusive_group(required=True)
    product.add_argument("--product", metavar="PRODUCT", help="its id or its name")
    product.add_argument("--new-product", metavar="NAME", default="")
    create.add_argument(
        "--meter", metavar="METER", help="whose usage it bills; without it a fee"
    )
    _add_form(create)
    create.add_argument(
        "--interval", choices=_INTERVALS, default="month", help="(default: month)"
    )
    create.add_argument("--interval-count", metavar="N", default="")
    create.add_argument("--nickname", metavar="TEXT", default="")
    _add_writing(create)


def _add_form(create: argparse.ArgumentParser) -> None:
    form = create.add_mutually_exclusive_group(required=True)
    form.add_argument("--unit", metavar="MONEY", help='of a unit, such as "0.01 USD"')
    form.add_argument("--package", metavar="MONEY", help="of a package of --size units")
    form.add_argument("--mode", choices=("graduated", "volume"), help="with --tier")
    create.add_argument("--size", metavar="N", default="")
    create.add_argument(
        "--round",
        choices=("up", "down"),
        default="up",
        help="a package that is begun is paid whole, or not (default: up)",
    )
    create.add_argument(
        "--tier",
        metavar="TIER",
        action="append",
        default=[],
        help='"1,000 0.01 USD", "10,000 0.005 USD + 5 USD", the last "inf 0.001 USD"',
    )


def _add_writing(parser: argparse.ArgumentParser) -> None:
    add_write_options(parser, reason=False)
    add_operation_id(parser)
