"""Which call is for which kind of resource."""

from __future__ import annotations

from meterdeck.core.errors import BadInput
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import Resource, ResourceKind

_RIGHT = {
    ResourceKind.COUNTER: "is a counter: count it with consume",
    ResourceKind.GAUGE: "is a gauge: set it with set_gauge, or move it with consume",
    ResourceKind.UNIQUE: "counts distinct members: name them with count_unique",
}


def check_kind(resource: Resource, *kinds: ResourceKind) -> None:
    """Accept a resource of one of `kinds`.

    Raises:
        BadInput: It is of another; the sentence says which call is for it.
    """
    if resource.kind not in kinds:
        raise BadInput(f"{visible(resource.name)} {_RIGHT[resource.kind]}")
