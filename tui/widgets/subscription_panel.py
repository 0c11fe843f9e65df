"""A tenant's subscription: its state, period and prices, and whether it is paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual.strip import Strip

from meterdeck.core.model.billed import BilledItem, BilledSubscription, LatestInvoice
from meterdeck.core.model.changes import Override
from meterdeck.core.model.costs import TenantCost
from meterdeck.core.model.money import Money
from meterdeck.core.model.override_ends import Ending, FoundOverride, ending_words
from meterdeck.core.model.quantity import group_quantity
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Tenant, TenantId, TenantStatus
from meterdeck.core.services.override_ends import OverrideEnds
from meterdeck.tui import phrases
from meterdeck.tui.money_words import money_words
from meterdeck.tui.picture import Picture
from meterdeck.tui.price_words import form_words, interval_words
from meterdeck.tui.themes import Ground, Role
from meterdeck.tui.widgets.line_view import Panel
from meterdeck.tui.widgets.sheet import Sheet
from meterdeck.tui.widgets.table_cells import status_role

_TROUBLE = {
    TenantStatus.PAST_DUE: "its last invoice is not paid; Stripe tries again",
    TenantStatus.UNPAID: "its invoices are not paid, and Stripe has stopped trying",
    TenantStatus.INCOMPLETE: "its first invoice is not paid yet",
    TenantStatus.INCOMPLETE_EXPIRED: "its first invoice was never paid",
    TenantStatus.PAUSED: "it is paused: its trial ended without a way to pay",
}


class SubscriptionPanel(Panel):
    """What Stripe has of the tenant's subscription, read with its cost."""

    DEFAULT_CSS = "SubscriptionPanel { display: none; height: auto; }"
    GROUND = Ground.PANEL

    def __init__(self) -> None:
        super().__init__()
        self._tenant: TenantId | None = None
        self._picture: Picture | None = None
        self._cost: TenantCost | None = None
        self._found: Sequence[FoundOverride] | None = None
        self._problem = self._not_found = ""

    def show(self, picture: Picture, tenant: TenantId) -> None:
        """Show a tenant as it stands in the picture."""
        self._picture, self._tenant = picture, tenant
        self.stale = picture.stale
        self.repaint()

    def read(self, cost: TenantCost) -> None:
        """Show what was read of the subscription."""
        self._cost, self._problem = cost, ""
        self.repaint()

    def overridden(self, found: Sequence[FoundOverride]) -> None:
        """Show the tenant's overrides, too."""
        self._found, self._not_found = found, ""
        self.repaint()

    def fail_overrides(self, problem: str) -> None:
        """Say why they could not be read; what was known stays."""
        self._not_found = problem
        self.repaint()

    def fail(self, problem: str) -> None:
        """Say why it could not be read; what was known stays."""
        self._problem = problem
        self.repaint()

    def lines(self) -> list[Strip]:
        picture = self._picture
        row = picture.fleet.row_of(self._tenant) if picture and self._tenant else None
        if picture is None or row is None:
            return []
        tenant, now = picture.fleet.tenant(row), picture.now()
        sheet = Sheet(self.palette, self.size.width, self.GROUND)
        made = [sheet.heading("Subscription", tenant.subscription or "none")]
        if self._problem:
            made.append(sheet.warning(self._problem))
        billed = self._cost.billed if self._cost else None
        made += self._state(sheet, tenant, billed, now)
        if billed is not None:
            made += self._payment(sheet, billed, now)
            made += [sheet.blank(), sheet.heading("Prices", _currency(billed))]
            made += [_item(sheet, each) for each in billed.items]
        made += self._overridden(sheet, picture)
        return made[: self.size.height]

    def _state(
        self,
        sheet: Sheet,
        tenant: Tenant,
        billed: BilledSubscription | None,
        now: datetime,
    ) -> list[Strip]:
        words = phrases.status_word(tenant.status)
        if billed is not None and billed.created is not None:
            words += f", since {phrases.day(billed.created, now)}"
        made = [
            sheet.pair("customer", tenant.customer or "not found in Stripe"),
            sheet.pair("plan", tenant.plan or "no plan"),
            sheet.pair("status", words, status_role(tenant.status)),
        ]
        if trouble := _TROUBLE.get(tenant.status):
            made.append(sheet.warning(trouble))
        if tenant.period_start is not None and tenant.period_end is not None:
            made.append(sheet.pair("period", _period(tenant, now)))
        if billed is not None:
            made += self._ends(sheet, billed, now)
        elif self._cost is not None and self._cost.problem:
            made.append(sheet.text(self._cost.problem, Role.MUTED))
        return made

    def _ends(
        self, sheet: Sheet, billed: BilledSubscription, now: datetime
    ) -> list[Strip]:
        made = []
        if billed.trial_end is not None:
            words = f"until {_moment(billed.trial_end, now)}: usage is free until then"
            made.append(sheet.pair("trial", words, Role.NEAR))
        if billed.cancel_at is not None and not billed.ended:
            words = _moment(billed.cancel_at, now)
            if billed.canceled_at is not None:
                words += f", asked for {phrases.day(billed.canceled_at, now)}"
            made.append(sheet.pair("ends", words, Role.NEAR))
        elif billed.ended and billed.canceled_at is not None:
            made.append(sheet.pair("ended", phrases.day(billed.canceled_at, now)))
        return made

    def _overridden(self, sheet: Sheet, picture: Picture) -> list[Strip]:
        ends, now = OverrideEnds(picture.context, picture.fleet), picture.now()
        shown = [each for each in self._found or () if not each.ended]
        note = ""
        if self._found is None and not self._not_found:
            note = "reading …"
        elif not shown and not self._not_found:
            note = "none: the plan's limits hold"
        made = [sheet.blank(), sheet.heading("Overrides", note)]
        if self._not_found:
            made.append(sheet.warning(self._not_found))
        for each in shown:
            ending = ends.ending(each)
            if ending is None:
                label = ends.fallback(each.tenant, each.resource).resource.label
                made.append(sheet.warning(f"{label}: {each.problem}"))
            elif each.override is not None:
                made += _override(sheet, each.override, ending, now)
        return made

    def _payment(
        self, sheet: Sheet, billed: BilledSubscription, now: datetime
    ) -> list[Strip]:
        way = "by invoices that are sent" if billed.by_invoice else "charged by itself"
        made = [sheet.pair("paid", way)]
        invoice = billed.invoice
        if invoice is not None:
            role = Role.HIGH if invoice.unpaid else Role.TEXT
            made.append(sheet.pair("last invoice", _invoice(invoice, now), role))
        if billed.discounted:
            made.append(sheet.pair("discount", "lowers its invoices"))
        return made


def _override(
    sheet: Sheet, override: Override, ending: Ending, now: datetime
) -> list[Strip]:
    resource, limit = ending.fallback.resource, "unlimited"
    if override.units is not None:
        limit = group_quantity(override.units, resource.scale)
    made = phrases.day(override.created_at, now)
    who = f"by {override.actor}, {made}: {override.reason}"
    end = "does not end"
    if override.expires_at is not None:
        end = f"ends {phrases.moment(override.expires_at)}"
        end += f" in {phrases.span(override.expires_at - now)}"
    words = f"    {end}; then {ending_words(ending, now)}"
    return [
        sheet.text(f"  {resource.label}: {limit}, {who}"),
        sheet.text(words, Role.NEAR if ending.tight else Role.MUTED),
    ]


def _currency(billed: BilledSubscription) -> str:
    return visible(billed.currency.upper(), 8)


def _period(tenant: Tenant, now: datetime) -> str:
    start, end = tenant.period_start, tenant.period_end
    assert start is not None
    assert end is not None
    left = f"{phrases.span(end - now)} left" if end > now else "over"
    return f"{phrases.day(start, now)} – {phrases.day(end, now)}, {left}"


def _moment(at: datetime, now: datetime) -> str:
    left = f" in {phrases.span(at - now)}" if at > now else ""
    return f"{phrases.day(at, now)}{left}"


def _invoice(invoice: LatestInvoice, now: datetime) -> str:
    words = f"{invoice.id} {invoice.status}"
    if not invoice.unpaid:
        return words
    due = money_words(Money.of_minor(invoice.due, invoice.currency))
    tried = phrases.counted(invoice.attempts, "attempt")
    again = "not tried again"
    if invoice.next_attempt is not None:
        again = f"tried again {_moment(invoice.next_attempt, now)}"
    return f"{words}: {due} due, {tried}, {again}"


def _item(sheet: Sheet, item: BilledItem) -> Strip:
    price = item.price
    words = form_words(price.form, price.currency, metered=price.metered)
    # Several prices of one product differ by their own name.
    name = price.nickname or price.lookup_key or item.product or price.id
    many = f" × {item.quantity:,}" if (item.quantity or 1) > 1 else ""
    often = interval_words(price.interval, price.interval_count)
    return sheet.text(f"  {name}{many}: {words}, {often}")
