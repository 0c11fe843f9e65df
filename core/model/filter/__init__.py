"""The one language of every filter: words, quotes, `field:value`, `!`, `|`, `( )`.

`parse_filter` reads an expression; `record_filter` applies one to any list. What it
means for tenants is `meterdeck.core.services.fleet_filter`.
"""

from meterdeck.core.model.filter.grammar import parse_filter
from meterdeck.core.model.filter.records import RecordFilter, record_filter
from meterdeck.core.model.filter.tree import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    Node,
    Not,
    Op,
    Word,
)

__all__ = [
    "AllOf", "AnyOf", "Clause", "Filter", "Node", "Not", "Op", "RecordFilter", "Word",
    "parse_filter", "record_filter",
]  # fmt: skip
