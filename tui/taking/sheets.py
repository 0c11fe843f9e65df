"""What is shown as a table of plain values, written as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.model.text import visible

Value = str | int | float | bool | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a screen shows, all of it, scrolled away or not.

    Attributes:
        name: What it is of, for the file's name: lower case, no blanks.
        columns: Names of the columns, as in JSON.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]


def as_csv(sheet: Sheet) -> str:
    """Return the sheet as CSV (RFC 4180).

    A text that a spreadsheet would take for a formula gets an apostrophe in front:
    tenants choose their names themselves.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(sheet.columns)
    writer.writerows([_harmless(value) for value in row] for row in sheet.rows)
    return written.getvalue()


def _harmless(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    text = visible(value, 10_000)
    return f"'{text}" if text.startswith(_FORMULA) else text


def as_json(sheet: Sheet, *, context: str, at: datetime) -> str:
    """Return the sheet as one JSON object: context, time and a list of objects."""
    rows = [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]
    form = {"context": context, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}", sheet.name: rows}
    return json.dumps(form, indent=1) + "\n"


def lines_of(sheet: Sheet) -> Iterator[str]:
    """Yield the rows with tabs between the values, for pasting."""
    for row in sheet.rows:
        yield "\t".join("" if value is None else visible(str(value)) for value in row)
