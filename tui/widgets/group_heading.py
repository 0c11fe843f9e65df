"""The line above the tenants of a group."""

from __future__ import annotations

from meterdeck.core.model.usage import TenantStatus
from meterdeck.core.services.fleet_groups import Group, GroupBy
from meterdeck.tui import phrases
from meterdeck.tui.render import Line
from meterdeck.tui.themes import Ground, Palette, Role

_WIDEST = 30


def group_name(by: GroupBy, key: str) -> str:
    """Return a group's name; a plan's is foreign text."""
    if by is GroupBy.STATUS:
        return phrases.status_word(TenantStatus(key))
    if by is GroupBy.PLAN:
        return key or "no plan"
    return key


def heading_line(
    by: GroupBy, group: Group, ground: Ground, palette: Palette, *, folded: bool
) -> Line:
    """Return the heading: name, how many there are, how many need attention."""
    muted = palette.style(Role.MUTED, ground)
    sign = "▸ " if folded else "▾ "
    line = Line().add(sign, palette.style(Role.ACCENT, ground))
    name = group_name(by, group.key)
    room = min(len(name), _WIDEST) if name.isascii() else _WIDEST
    line.field(name, room, palette.style(Role.BRIGHT, ground, bold=True))
    line.add(f"  {phrases.counted(len(group.rows), 'tenant')}", muted)
    if by is GroupBy.RISK:
        return line  # its name has said the rest
    if group.at_limit:
        high = palette.style(Role.HIGH, ground)
        line.add(" · ", muted).add(f"{group.at_limit:,} at limit", high)
    if group.near:
        near = palette.style(Role.NEAR, ground)
        line.add(" · ", muted).add(f"{group.near:,} near", near)
    return line
