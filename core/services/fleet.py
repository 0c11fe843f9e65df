"""The fleet: every tenant and counter as last reported.

What screens and commands draw from. One thread owns it; watching runs elsewhere and
hands over `WatchUpdate`s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meterdeck.core.model.context import Context
from meterdeck.core.model.filter import Filter, parse_filter
from meterdeck.core.model.filter.spans import Span
from meterdeck.core.model.filter.tenant_terms import TextField
from meterdeck.core.model.filter.tenants import Vocabulary, check_filter
from meterdeck.core.model.filter.words import plain
from meterdeck.core.model.fleet_update import WatchUpdate
from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.periods import current_period
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    Resource,
    Tenant,
    TenantId,
    Usage,
    percent_of,
)
from meterdeck.core.services.fleet_eta import rows_reaching
from meterdeck.core.services.fleet_filter import FleetFilter
from meterdeck.core.services.fleet_order import FleetOrder, SortKey
from meterdeck.core.services.fleet_rows import EPOCH, FleetChange, FleetRows

__all__ = ["Fleet", "FleetChange", "FleetTotals", "SortKey"]

_FAR_S = 366 * 86_400.0  # of what does not reset nobody asks what is later


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """How many tenants there are, and how many are near a limit; no one counts twice.

    Attributes:
        at_limit: Worst resource at 100 percent or more.
        over90: Above 90 and below 100 percent.
        near: Above 70 and up to 90 percent.
        broken: Counters that hold something else than a whole number.
    """

    tenants: int
    at_limit: int
    over90: int
    near: int
    broken: int


class Fleet(FleetRows):
    """Rows are tenants, columns are resources."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._order = FleetOrder(self)
        self._filter = FleetFilter(self, context, self._search)

    def __len__(self) -> int:
        return len(self.tenants)

    def apply(self, update: WatchUpdate) -> FleetChange:
        """Take in an update and return what it changed."""
        change = super().apply(update)
        if change.membership:
            self._order.tenants_changed()
        else:
            self._order.rows_changed(change.rows)
        return change

    @property
    def resources(self) -> list[Resource]:
        """Return the resources, configured ones first, by column."""
        return [column.resource for column in self.columns]

    def tenant(self, row: int) -> Tenant:
        """Return the tenant of a row."""
        return self.tenants[row]

    def row_of(self, tenant: str) -> int | None:
        """Return a tenant's row now; None if it is not in the fleet."""
        return self._index.get(TenantId(tenant))

    def row_called(self, name: str) -> int | None:
        """Return the row with exactly this tenant, customer or subscription id."""
        row = self.row_of(name)
        if row is not None or not name:
            return row
        for field in (TextField.CUSTOMER, TextField.SUBSCRIPTION):
            for found in self._search.find_in(field, plain(name), whole=True):
                if getattr(self.tenants[found], field) == name:
                    return found
        return None

    def expect_search(self) -> None:
        """Prepare for a search, which is a quarter of a second of a large fleet."""
        self._search.refresh()

    def used(self, row: int, column: int) -> int | Broken | None:
        """Return a counter; None: there is none in this period yet."""
        return self.columns[column].value(row)

    def limit(self, row: int, column: int) -> Limit:
        """Return what the tenant may use, overrides considered."""
        return self.limits.limits[self.columns[column].limit[row]]

    def limit_without(self, row: int, column: int) -> Limit:
        """Return what the tenant might use if it had no override."""
        name = self.columns[column].resource.name
        return self._context.limit_of(self.tenants[row], name)

    def rule(self, row: int, column: int) -> LimitRule:
        """Return how the tenant's limit is enforced."""
        name = self.columns[column].resource.name
        return self._context.rule_of(self.tenants[row], name)

    def percent(self, row: int, column: int) -> int | None:
        """Return the share in use; None where unlimited or unreadable."""
        used = self.used(row, column)
        if isinstance(used, Broken):
            return None
        return percent_of(used or 0, self.limit(row, column).units)

    def usage(self, row: int, column: int) -> Usage:
        """Return one counter in full; without a counter 0 is used."""
        resource, tenant = self.columns[column].resource, self.tenants[row]
        period = current_period(resource.period, tenant.cycle, self.at or EPOCH)
        used = self.used(row, column) or 0
        return Usage(tenant.id, resource.name, period, used, self.limit(row, column))

    def worst(self, row: int) -> int:
        """Return the highest percent over all resources, −1 without any limit."""
        return self.severity.worst[row]

    def worst_column(self, row: int) -> int:
        """Return the column nearest to its limit, −1 without any limit."""
        return self.severity.column[row]

    def trend(self, row: int) -> Sequence[int]:
        """Return units of the worst column in each of the last 5 s, oldest first.

        At most eight; fewer in the first forty seconds.
        """
        return self.pace.samples(row)

    def rate(self, row: int, column: int) -> float:
        """Return units a second over the last minute, 0.0 while it cannot tell."""
        used = self.used(row, column)
        if not isinstance(used, int) or self.at is None:
            return 0.0
        return self._snapshots[column].rate(row, used, self.at)

    def time_to_limit(self, row: int, column: int) -> timedelta | None:
        """Return when the limit is reached at the present rate.

        Zero when it is reached; None where it will not be in this period.
        """
        remaining = self.usage(row, column).remaining
        if remaining is None or self.at is None:
            return None
        if remaining == 0:
            return timedelta(0)
        rate = self.rate(row, column)
        if rate <= 0 or remaining / rate >= self.seconds_left(row, column):
            return None
        return timedelta(seconds=remaining / rate)

    def reached_within(self, seconds: int) -> set[int]:
        """Return rows of which a limit is reached so soon at the present rate.

        As `time_to_limit`, for all rows and columns at once; a limit that is reached
        already does not count.
        """
        return rows_reaching(self, Span(high=seconds))

    def seconds_left(self, row: int, column: int) -> float:
        """Return the seconds until a counter starts anew; many where it does not."""
        resets_at = self.resets_at(row, column)
        if resets_at is None or self.at is None:
            return _FAR_S
        return (resets_at - self.at).total_seconds()

    def resets_at(self, row: int, column: int) -> datetime | None:
        """Return the end of the counter's period; None: it does not reset."""
        kind = self.columns[column].resource.period
        period = current_period(kind, self.tenants[row].cycle, self.at or EPOCH)
        return None if period.endless else period.end

    def order(
        self, key: str, reverse: bool = False, rows: Sequence[int] | None = None
    ) -> list[int]:
        """Return rows in order, by a `SortKey` or by a resource's name.

        What needs attention comes first, `reverse` turns that round; ties are by
        name. A resource orders by share of the limit, unlimited ones last.

        Args:
            rows: The rows to order, all of them by default.
        """
        return self._order.order(key, reverse=reverse, rows=rows)

    def search(self, text: str) -> list[int]:
        """Return the rows that a filter takes, in ascending order.

        A text without any sign is looked for in id, name, customer, subscription,
        plan and status; see docs/filters.md for the language.

        Raises:
            BadInput: It cannot be read, or has no meaning for this fleet.
        """
        return self._filter.find(parse_filter(text))

    def read_filter(self, text: str) -> Filter:
        """Return an expression after a closer look than a search takes.

        Raises:
            BadInput: It cannot be read, or has no meaning for this fleet, or names a
                plan that nobody has.
        """
        expression = parse_filter(text)
        with_plans = "plan" in text.lower()  # else nobody asks which there are
        check_filter(expression, self._filter.vocabulary(plans=with_plans))
        return expression

    def vocabulary(self) -> Vocabulary:
        """Return the names that a filter can have."""
        return self._filter.vocabulary(plans=True)

    def totals(self) -> FleetTotals:
        """Return how many tenants are near their limits."""
        _, near, over90, at_limit = self.severity.bands
        broken = sum(len(column.broken) for column in self.columns)
        return FleetTotals(len(self.tenants), at_limit, over90, near, broken)
