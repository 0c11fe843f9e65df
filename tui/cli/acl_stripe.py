"""`meterdeck acl --stripe`: what a restricted Stripe key of each role may."""

from __future__ import annotations

from collections.abc import Sequence

from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.stripe_permissions import Permission, stripe_permissions
from meterdeck.tui.cli.json_form import Form
from meterdeck.tui.cli.output import Cell, Output, Tone


def show_permissions(out: Output, roles: Sequence[Role]) -> None:
    """Print what is chosen in Stripe's dashboard when a restricted key is made."""
    if out.as_json:
        found = {role.value: _forms(stripe_permissions(role)) for role in roles}
        out.object({"permissions": found})
        return
    for number, role in enumerate(roles):
        if number:
            out.line("")
        needed = stripe_permissions(role)
        out.line(Cell(role, Tone.BOLD), "" if needed else "  needs no Stripe key")
        rows = [
            (each.resource, Cell(each.access, firm=True), Cell(each.why, Tone.FAINT))
            for each in needed
        ]
        out.table(rows, indent=2)


def _forms(needed: Sequence[Permission]) -> list[Form]:
    return [
        {"resource": each.resource, "access": each.access.value, "why": each.why}
        for each in needed
    ]
