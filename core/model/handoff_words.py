"""What the parts of a handoff's Markdown share."""

from __future__ import annotations

from meterdeck.core.model.markdown import code, escaped

MOST_LINES = 100
"""Of a table; how many more there are is said below it."""

Lines = list[str]


def who(tenant: str, name: str) -> str:
    """Name a tenant, and its id where that is another text."""
    return code(tenant) if name in ("", tenant) else f"{escaped(name)} {code(tenant)}"


def and_more(count: int) -> Lines:
    """Say how many more there are, if any."""
    return ["", f"And {count:,} more."] if count > 0 else []
