"""`meterdeck catalogue import`: the configuration of what Stripe has."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from meterdeck.core.errors import BadInput
from meterdeck.core.model.catalogue_import import Imported, import_account
from meterdeck.core.model.price_import import LeftOut
from meterdeck.core.settings.catalogue_expressible import expressible
from meterdeck.core.settings.catalogue_file import add_to, block_of
from meterdeck.core.settings.location import SANDBOX, check_start
from meterdeck.tui.cli.arguments import config_of
from meterdeck.tui.cli.call import Call, run_call
from meterdeck.tui.cli.json_form import Form, context_form
from meterdeck.tui.cli.output import note
from meterdeck.tui.phrases import counted


def run(args: Namespace) -> int:
    """Print the tables, or add those that are missing to a file."""
    return run_call(args, _import)


async def _import(call: Call) -> int:
    path = None if call.args.write is None else _file(call.args)
    account = await call.engine.catalogue.account()
    everything: bool = call.args.all
    if path is None:
        found = expressible(import_account(account, everything=everything))
    else:
        found = add_to(path, account, everything=everything)
    if call.out.as_json:
        call.out.object({**context_form(call.context), **_form(found, path)})
        return 0
    if path is None:
        call.out.exactly(block_of(found))
    elif found.catalogue.declared:
        call.out.line(f"added to {path}: {_words(found)}")
    else:
        call.out.line(f"nothing to add: {path} declares what Stripe has")
    _tell(found, path)
    return 0


def _file(args: Namespace) -> Path:
    """Return the file to add to: the one named, else the configuration.

    Raises:
        BadInput: Neither is there.
    """
    if args.write:
        return Path(args.write)
    found = check_start(config=config_of(args), context=getattr(args, "context", None))
    if found.path is None:
        raise BadInput(
            f"context {SANDBOX} has no configuration to add to; name a file:"
            " --write meterdeck.toml"
        )
    return found.path


def _words(found: Imported) -> str:
    catalogue = found.catalogue
    parts = (
        (len(catalogue.meters), "meter"),
        (len(catalogue.products), "product"),
        (len(catalogue.prices), "price"),
    )
    return ", ".join(counted(count, what) for count, what in parts)


def _tell(found: Imported, path: Path | None) -> None:
    if path is None:
        note(f"imported {_words(found)}")
    for what, count in found.inactive.items():
        note(f"left out: {counted(count, f'inactive {what}')}; --all takes them, too")
    if found.left_out:
        note(f"cannot be declared: {len(found.left_out):,}; the comments say why")
    if found.partly:
        note(f"declared in part: {len(found.partly):,}; the comments say of what")


def _left(each: LeftOut) -> Form:
    return {"what": each.what, "why": each.why}


def _form(found: Imported, path: Path | None) -> Form:
    catalogue = found.catalogue
    return {
        "path": None if path is None else str(path.absolute()),
        "meters": sorted(catalogue.meters),
        "products": sorted(catalogue.products),
        "prices": sorted(catalogue.prices),
        "left_out": [_left(each) for each in found.left_out],
        "partly": [_left(each) for each in found.partly],
        "inactive": dict(found.inactive),
        "toml": block_of(found),
    }
