"""What costs look like for people: an aligned table, its totals, what to know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meterdeck.core.model.billed import InvoicePreview
from meterdeck.core.model.costs import Comparison, ItemCost, TenantCost
from meterdeck.core.model.money import Money
from meterdeck.tui.cli.output import Cell, Output, Row, Tone
from meterdeck.tui.cli.words import day
from meterdeck.tui.money_words import (
    BASIS_WORDS,
    NOTHING,
    bill_words,
    money_words,
    quantity_words,
    sum_words,
)

_WHY = "What is waiting or in flight is not there yet; meterdeck reconcile names it."
_MEANS = "Before discounts, taxes and credits; by the period's end at the pace so far."


def print_cost(out: Output, cost: TenantCost) -> None:
    """Print what the running period costs, item by item."""
    _print_head(out, cost)
    if cost.problem:
        out.line("  " + cost.problem)
        return
    out.table([_heading(cost), *_rows(cost)], indent=2)
    _print_notes(out, cost)


def print_comparison(out: Output, found: Comparison) -> None:
    """Print what it would be, and how that differs from what it is."""
    _print_head(out, found.after)
    rows = [_heading(found.after), *_rows(found.after, total="if so")]
    out.table([*rows, *_differences(found)], indent=2)
    _print_notes(out, found.after, found.notes)


def print_preview(out: Output, preview: InvoicePreview, cost: TenantCost) -> None:
    """Print Stripe's preview, and where it differs from what was reckoned."""
    stripe = Money.of_minor(preview.subtotal, preview.currency)
    ours = {each.so_far.currency: each.so_far for each in cost.totals}
    equal = ours.get(preview.currency) == stripe
    verdict = Cell("equal", Tone.GOOD) if equal else Cell("differs", Tone.HIGH)
    out.line(
        f"  Stripe's preview of the invoice: {money_words(stripe)}, ",
        verdict,
    )
    if preview.total != preview.subtotal or preview.due != preview.total:
        total = Money.of_minor(preview.total, preview.currency)
        due = Money.of_minor(preview.due, preview.currency)
        out.line(
            f"  with discounts and taxes {money_words(total)},"
            f" to be paid {money_words(due)}"
        )
    if not equal:
        out.table(list(_different(preview, cost)), indent=4)
        out.line(Cell(f"  {_WHY}", Tone.FAINT))


def _print_head(out: Output, cost: TenantCost) -> None:
    tenant = cost.tenant
    about = (tenant.id, tenant.plan or "no plan", tenant.status.value)
    out.line(tenant.name, Cell("  " + " · ".join(about), Tone.FAINT))


def _heading(cost: TenantCost) -> Row:
    ends = {each.item.end for each in cost.items}
    end = next(iter(ends)) if len(ends) == 1 else None
    by = f"by {day(end)}" if end else "by its end"
    titles = ("used", "", "so far", by, "next one", "next 1,000")
    return (Cell(""), *(Cell(each, Tone.FAINT, right=True) for each in titles))


def _rows(cost: TenantCost, total: str = "total") -> Iterator[Row]:
    ends = {each.item.end for each in cost.items}
    for item in cost.items:
        yield _row(item, several=len(ends) > 1)
    for sums in cost.totals:
        yield (
            Cell(total, Tone.BOLD),
            "",
            "",
            Cell(sum_words(sums.so_far, sums.unknown), Tone.BOLD, right=True),
            Cell(sum_words(sums.at_end, sums.unknown), Tone.BOLD, right=True),
        )


def _row(item: ItemCost, *, several: bool) -> Row:
    said = [BASIS_WORDS[item.measured.basis]]
    if several and item.item.end:
        said.append(f"until {day(item.item.end)}")
    metered = item.metered
    return (
        item.label,
        Cell(quantity_words(item.measured.quantity), right=True),
        Cell(item.unit, Tone.FAINT),
        Cell(bill_words(item.so_far, item.currency), right=True),
        Cell(bill_words(item.at_end, item.currency), right=True),
        Cell(money_words(item.next_unit) if metered else "", right=True),
        Cell(money_words(item.next_thousand) if metered else "", right=True),
        Cell(" · ".join(said), Tone.FAINT),
    )


def _differences(found: Comparison) -> Iterator[Row]:
    after = {each.so_far.currency: each for each in found.after.totals}
    for before in found.before.totals:
        yield (
            "as it is",
            "",
            "",
            Cell(money_words(before.so_far), right=True),
            Cell(money_words(before.at_end), right=True),
        )
        then = after.get(before.so_far.currency)
        if then is not None:
            yield (
                "difference",
                "",
                "",
                Cell(_change(before.so_far, then.so_far), right=True),
                Cell(_change(before.at_end, then.at_end), right=True),
            )


def _change(before: Money | None, after: Money | None) -> str:
    if before is None or after is None:
        return NOTHING
    changed = Money(after.amount - before.amount, before.currency)
    return ("+" if changed.amount > 0 else "") + money_words(changed)


def _print_notes(out: Output, cost: TenantCost, more: Sequence[str] = ()) -> None:
    for item in cost.items:
        for text in (item.problem, *item.measured.notes, *item.notes):
            if text:
                out.line(Cell(f"  {item.label}: {text}", Tone.NEAR))
    for text in (*cost.notes, *more):
        out.line(Cell(f"  {text}", Tone.NEAR))
    out.line(Cell(f"  {_MEANS}", Tone.FAINT))


def _different(preview: InvoicePreview, cost: TenantCost) -> Iterator[Row]:
    stripes = dict(preview.by_price)
    for item in cost.items:
        stripe = Money.of_minor(stripes.pop(item.item.price.id, 0), preview.currency)
        ours = bill_words(item.so_far, item.currency)
        if ours != money_words(stripe):
            yield (
                item.label,
                Cell(f"reckoned {ours}", right=True),
                Cell(f"Stripe {money_words(stripe)}", right=True),
            )
    for price, amount in stripes.items():
        stripe = Money.of_minor(amount, preview.currency)
        yield (
            price or "other lines",
            Cell(f"reckoned {NOTHING}", right=True),
            Cell(f"Stripe {money_words(stripe)}", right=True),
        )
