"""`meterdeck catalogue lint`: what is sold and probably not meant so."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from meterdeck.core.model.catalogue import Account, Catalogue
from meterdeck.core.model.catalogue_lint import Subject, lint
from meterdeck.core.model.catalogue_warnings import CatalogueWarning
from meterdeck.core.model.context import Context
from meterdeck.core.settings.declaration import Declaration, load_declaration
from meterdeck.core.settings.toml_comments import comments_of
from meterdeck.tui.cli.arguments import config_of, output_of
from meterdeck.tui.cli.call import context_of
from meterdeck.tui.cli.json_form import Form
from meterdeck.tui.cli.output import Cell, Output, Tone, note
from meterdeck.tui.phrases import counted

_WRONG = 1


def run(args: Namespace) -> int:
    """Print every warning; end with 1 where there is one."""
    found = load_declaration(
        config=config_of(args), context=getattr(args, "context", None)
    )
    account = None if args.offline else _account(context_of(args))
    comments = comments_of(found.text, found.name)
    warnings = lint(Subject(found.declared, found.name, account, comments))
    out = output_of(args)
    if out.as_json:
        out.object(_answer(found, account, warnings))
    else:
        for warning in warnings:
            _tell(out, warning)
        _sum_up(out, found, account, len(warnings))
    return _WRONG if warnings else 0


def _account(context: Context) -> Account | None:
    """Return what the account has; None where the context has no Stripe."""
    if context.stripe is None:
        return None
    # Looking at the file alone needs no client library.
    from meterdeck.core.services.engine import Engine  # noqa: PLC0415

    async def read() -> Account:
        async with Engine(context) as engine:
            return await engine.catalogue.account()

    return asyncio.run(read())


def _answer(
    found: Declaration,
    account: Account | None,
    warnings: tuple[CatalogueWarning, ...],
) -> Form:
    return {
        "context": found.context,
        "mode": found.mode.value,
        "sound": not warnings,
        "account": account is not None,
        "warnings": [
            {
                "code": each.code.value,
                "where": each.where,
                "what": each.what,
                "right": each.right,
            }
            for each in warnings
        ],
    }


def _tell(out: Output, warning: CatalogueWarning) -> None:
    out.line(
        Cell("! ", Tone.NEAR),
        Cell(warning.where, Tone.BOLD),
        Cell(f"  {warning.code}", Tone.FAINT),
    )
    for line in out.wrapped(warning.what, indent=2):
        out.line(f"  {line}")
    for line in out.wrapped(f"→ {warning.right}", indent=2):
        out.line("  ", Cell(line, Tone.FAINT))


def _sum_up(
    out: Output, found: Declaration, account: Account | None, warnings: int
) -> None:
    catalogue = found.declared.catalogue
    looked = f"{_several(catalogue)} declared in {found.name}"
    if account is not None:
        looked += f"; {_several(account)} of the account"
    note(f"looked at: {looked}")
    if not warnings:
        out.line("nothing to warn of")
    else:
        out.line(counted(warnings, "warning"))


def _several(of: Catalogue | Account) -> str:
    meters = counted(len(of.meters), "meter")
    products = counted(len(of.products), "product")
    return f"{meters}, {products} and {counted(len(of.prices), 'price')}"
