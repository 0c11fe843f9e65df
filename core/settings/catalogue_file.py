"""Add an imported catalogue to a configuration file, and to nothing else in it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from meterdeck.core.errors import ConfigError, Refused
from meterdeck.core.model.catalogue import (
    NO_CATALOGUE,
    Account,
    Catalogue,
    MeterSpec,
    PriceSpec,
    ProductSpec,
)
from meterdeck.core.model.catalogue_import import Imported, import_account
from meterdeck.core.model.text import visible
from meterdeck.core.settings.catalogue_expressible import expressible
from meterdeck.core.settings.catalogue_toml import tables_of, toml_of
from meterdeck.core.settings.layers import file_layer
from meterdeck.core.settings.problems import Origins, as_config_error
from meterdeck.core.settings.replaced_file import read_whole, replace_whole
from meterdeck.core.settings.resolve_catalogue import resolve_catalogue
from meterdeck.core.settings.schema import Settings

_HEADING = "# Imported from Stripe by `meterdeck catalogue import`."
_LONGEST = 1_000
Spec = TypeVar("Spec", MeterSpec, ProductSpec, PriceSpec)


def declared_in(text: str, where: str) -> Catalogue:
    """Return what a configuration's text declares.

    Raises:
        ConfigError: It is wrong; `where` names it.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # No chaining: a parser's complaint may quote a secret.
        raise ConfigError(where, f"is not valid TOML: {error}") from None
    layers = [file_layer(Path(where), tree)]
    origins = Origins(layers)
    try:
        return resolve_catalogue(Settings.of(layers), origins)
    except ValidationError as error:
        raise as_config_error(error, origins) from None


def block_of(imported: Imported) -> str:
    """Return the tables as TOML; what is not declared is said in comments below."""
    lines = [f"{_HEADING}\n", toml_of(tables_of(imported.catalogue))]
    told = [
        f"#   {visible(each.what)} {visible(each.why, _LONGEST)}"
        for each in (*imported.left_out, *imported.partly)
    ]
    told += [
        f"#   {count} inactive {what}{'s' if count > 1 else ''}: --all takes them, too"
        for what, count in imported.inactive.items()
    ]
    if told:
        lines.append("\n".join(["# Not declared here, and left as it is:", *told, ""]))
    return "\n".join(lines)


def news_of(imported: Imported, known: Catalogue, where: str) -> Imported:
    """Return what is not declared yet.

    Raises:
        Refused: Something is declared otherwise; names each.
    """
    new, old = imported.catalogue, known
    otherwise = [
        *_otherwise("meters", new.meters, old.meters),
        *_otherwise("products", new.products, old.products),
        *_otherwise("prices", new.prices, old.prices),
    ]
    if otherwise:
        raise Refused(
            f"{where}: {', '.join(otherwise)} is declared otherwise than Stripe has"
            " it; nothing was written; `meterdeck catalogue plan` shows how, and"
            " import writes what is taken out of the file"
        )
    return replace(
        imported,
        catalogue=Catalogue(
            {k: v for k, v in new.meters.items() if k not in old.meters},
            {k: v for k, v in new.products.items() if k not in old.products},
            {k: v for k, v in new.prices.items() if k not in old.prices},
        ),
    )


def _otherwise(
    section: str, new: Mapping[str, Spec], old: Mapping[str, Spec]
) -> Iterator[str]:
    for name, spec in new.items():
        there = old.get(name)
        if isinstance(there, MeterSpec):
            there = replace(there, replaces="")
        if there is not None and there != spec:
            yield f"{section}.{name}"


def extended(old: bytes, block: str, expected: Catalogue, where: str) -> bytes:
    """Return a file's content with a block at its end, every byte before it kept.

    Raises:
        Refused: Read back, it would not say what it is to say.
    """
    newline = b"\r\n" if b"\r\n" in old else b"\n"
    gap = b"" if not old else newline if old.endswith(b"\n") else newline * 2
    new = old + gap + block.encode().replace(b"\n", newline)
    try:
        read_back = declared_in(new.decode(), where)
        kept = tomllib.loads(old.decode())
        now = tomllib.loads(new.decode())
    except ConfigError as error:
        raise Refused(
            f"{where}: nothing can be added to it; write its catalogue as tables like"
            f" [meters.NAME] ({error.problem})"
        ) from error
    for section in ("meters", "products", "prices"):
        kept.pop(section, None)
        now.pop(section, None)
    if read_back != expected or kept != now:
        raise Refused(f"{where}: what would be written is not read back as it is")
    return new


def both(one: Catalogue, other: Catalogue) -> Catalogue:
    """Return two catalogues that have no name in common as one."""
    return Catalogue(
        {**one.meters, **other.meters},
        {**one.products, **other.products},
        {**one.prices, **other.prices},
    )


def add_to(path: Path, account: Account, *, everything: bool) -> Imported:
    """Add to a file what it does not declare yet of an account, and return that.

    The file need not exist. Every byte of it is kept, its mode too; a new one is
    yours alone, as it may come to hold secrets. It is replaced whole or not at all.

    Raises:
        ConfigError: The file is wrong.
        Refused: It declares something otherwise, takes no tables, or was changed
            meanwhile.
        BadInput: It cannot be read or written.
    """
    target = path.resolve()
    old = read_whole(target)
    where = str(path)
    known = declared_in(_text(old, where), where) if old else NO_CATALOGUE
    found = import_account(account, everything=everything, known=known)
    new = news_of(expressible(found), known, where)
    if new.catalogue.declared:
        content = extended(old, block_of(new), both(known, new.catalogue), where)
        replace_whole(target, old, content)
    return new


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigError(where, "is not UTF-8 text", "save it as UTF-8") from None
