"""`--filter EXPR` and `--view NAME`: the tenants that a command is about."""

from __future__ import annotations

import sys

from meterdeck.core.errors import BadInput
from meterdeck.core.model.context import Context
from meterdeck.core.model.filter import parse_filter
from meterdeck.core.model.filter.tenants import (
    Vocabulary,
    asks_for_rates,
    check_filter,
)
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.fleet import Fleet
from meterdeck.core.settings.running_sandbox import state_dir
from meterdeck.tui.cli.call import Call
from meterdeck.tui.cli.fleet_look import whole_fleet
from meterdeck.tui.cli.output import note
from meterdeck.tui.memory import FILE_NAME, Memory
from meterdeck.tui.views import View, Views


async def fleet_for(context: Context, text: str) -> Fleet:
    """Read the fleet, and as long as a filter needs to see how fast counters move.

    Raises:
        BadInput: The filter cannot be understood; of names of fields and values that
            is said before anything is read.
    """
    expression = parse_filter(text)
    check_filter(expression, Vocabulary(context.resources))
    moving = asks_for_rates(expression)
    if moving and sys.stderr.isatty():
        note("watching for some ten seconds how fast counters move …")
    fleet = await whole_fleet(context, moving=moving)
    fleet.read_filter(text)
    return fleet


def view_named(name: str) -> View:
    """Return a view that the console's user has saved, or one that always is there.

    Raises:
        BadInput: There is none of that name.
    """
    return Views(Memory(state_dir() / FILE_NAME)).find(name)


async def filtered_tenants(call: Call) -> frozenset[TenantId] | None:
    """Return the tenants that --filter takes as they are now; None without one.

    Raises:
        BadInput: The filter cannot be understood, or a tenant is named as well.
    """
    text: str = call.args.filter
    if not text.strip():
        return None
    if call.args.tenant:
        raise BadInput("--filter finds tenants; leave it out where one is named")
    fleet = await fleet_for(call.context, text)
    return frozenset(fleet.tenant(row).id for row in fleet.search(text))
