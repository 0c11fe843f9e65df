"""The balance sheet as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from tests.soak.balance import Sheet
from tests.soak.journal import Kind, Told


def markdown(sheet: Sheet) -> str:
    """Return it."""
    return "\n".join(_lines(sheet))


def _lines(sheet: Sheet) -> Iterator[str]:
    yield from (f"- {what}: {figure}" for what, figure in sheet.figures)
    yield ""
    yield from _table(
        ("fault", "times"), sorted((k, f"{n}") for k, n in sheet.struck.items())
    )
    told = [each for each in Told if any(sheet.calls[kind, each] for kind in Kind)]
    yield from _table(
        ("calls", *told),
        [(k, *(f"{sheet.calls[k, each]:,}" for each in told)) for k in Kind],
    )
    yield from _table(
        ("balance", "left", "right", ""),
        [
            (
                each.what,
                f"{each.left:,}"
                + (f" … {each.left + each.spare:,}" if each.spare else ""),
                f"{each.right:,}",
                "=" if each.balances else "**differs**",
            )
            for each in sheet.rows
        ],
    )
    yield from _table(
        (
            "program",
            "lives",
            "longest, s",
            "MB early",
            "MB late",
            "MB/min",
            "files early",
            "late",
        ),
        sheet.growth,
    )
    if sheet.faults:
        yield "Wrong:"
        yield ""
        yield from (f"- {each}" for each in sheet.faults)
        yield ""
    yield "**It balances.**" if sheet.balances else "**It does not balance.**"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|--|" + "--:|" * (len(head) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""
