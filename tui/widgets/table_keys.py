"""The keys of the tenant table that are no actions: moving, folding, sorting."""

from __future__ import annotations

from textual.binding import Binding, BindingType

TABLE_KEYS: list[BindingType] = [
    Binding(
        "down,j",
        "move(1)",
        "Next tenant",
        key_display="↓ j",
        show=False,
        id="list_down",
    ),
    Binding(
        "up,k",
        "move(-1)",
        "Previous tenant",
        key_display="↑ k",
        show=False,
        id="list_up",
    ),
    Binding(
        "pagedown,ctrl+f",
        "page(1)",
        "Page down",
        key_display="PgDn",
        show=False,
        id="list_page_down",
    ),
    Binding(
        "pageup,ctrl+b",
        "page(-1)",
        "Page up",
        key_display="PgUp",
        show=False,
        id="list_page_up",
    ),
    Binding(
        "g,home", "go(0)", "First tenant", key_display="g", show=False, id="list_first"
    ),
    Binding(
        "G,end", "go(-1)", "Last tenant", key_display="G", show=False, id="list_last"
    ),
    Binding("left,h", "fold(True)", "Fold the group", key_display="←", show=False),
    Binding("right,l", "fold(False)", "Unfold the group", key_display="→", show=False),
    Binding("z", "fold_all", "Fold every group, or unfold them", show=False),
    Binding("W", "sort('worst')", "Sort by the worst", show=False),
    Binding("N", "sort('name')", "Sort by name", show=False),
    Binding("P", "sort('plan')", "Sort by plan", show=False),
    Binding("S", "sort('status')", "Sort by status", show=False),
    Binding("R", "sort('reset')", "Sort by reset date", show=False),
    Binding("T", "sort('trend')", "Sort by trend", show=False),
    *(
        Binding(str(n), f"sort_resource({n})", f"Sort by resource {n}", show=False)
        for n in range(1, 10)
    ),
]
