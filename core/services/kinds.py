"""Which call is for which kind of resource, and what such a call may say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from meterdeck.core.errors import BadInput
from meterdeck.core.model.amounts import check_limits
from meterdeck.core.model.changes import Bill
from meterdeck.core.model.context import Context
from meterdeck.core.model.names import check_id, name_bytes, tenant_bytes
from meterdeck.core.model.quantity import LARGEST
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import BilledBy, Resource, ResourceKind

_MOST_MEMBERS = 1000
_LONGEST_MEMBER = 512
_RIGHT = {
    ResourceKind.COUNTER: "is a counter: count it with consume",
    ResourceKind.GAUGE: "is a gauge: set it with set_gauge, or move it with consume",
    ResourceKind.UNIQUE: "counts distinct members: name them with count_unique",
}

_BY_EVENTS = "is billed by events, not by its counter: give it to track"

_NO_BILL = "is billed by events, and its bill does not follow its counter"


def check_kind(resource: Resource, *kinds: ResourceKind) -> None:
    """Accept a resource of one of `kinds` that is not billed by events.

    Raises:
        BadInput: It is another; the sentence says which call is for it.
    """
    if resource.billed_by is BilledBy.EVENTS:
        raise BadInput(f"{visible(resource.name)} {_BY_EVENTS}")
    if resource.kind not in kinds:
        raise BadInput(f"{visible(resource.name)} {_RIGHT[resource.kind]}")


def check_tracked(resource: Resource) -> None:
    """Accept a resource that is billed by events.

    Raises:
        BadInput: It is not; the sentence says which call is for it.
    """
    if resource.billed_by is not BilledBy.EVENTS:
        raise BadInput(
            f"{visible(resource.name)} {_RIGHT[resource.kind]};"
            " track is for what is billed by events"
        )
    if not resource.meter:
        raise BadInput(f"{visible(resource.name)} has no meter: set its `meter`")


def check_bill(bill: Bill, resource: Resource) -> None:
    """Accept how the bill is to follow a change of a counter.

    Raises:
        BadInput: Nothing is billed from that counter.
    """
    if bill is Bill.QUOTA_AND_BILL and resource.billed_by is BilledBy.EVENTS:
        raise BadInput(
            f"{visible(resource.name)} {_NO_BILL}; change the quota only, and for the"
            " bill cancel the event within 24 hours, or credit the customer"
        )


@dataclass(frozen=True, slots=True)
class OneCall:
    """A call about one resource, as its caller made it.

    Attributes:
        call_id: None where a repeat is another call.
        limits: What holds where nothing else gives a limit.
    """

    tenant: str
    resource: str
    call_id: str | None
    limits: Mapping[str, int] | None = None

    def checked(self, context: Context, kind: ResourceKind) -> Resource:
        """Return its resource, which is of `kind`.

        Raises:
            BadInput, NotFound: An argument is wrong.
            ReadOnly: The context allows no changes.
        """
        found = self._checked(context)
        check_kind(found, kind)
        return found

    def checked_to_track(self, context: Context) -> Resource:
        """Return its resource, which is billed by events; raises as `checked`."""
        found = self._checked(context)
        check_tracked(found)
        return found

    def _checked(self, context: Context) -> Resource:
        context.check_writable()
        tenant_bytes(self.tenant, tagged=context.redis.layout.tagged)
        found = context.resource(self.resource)
        if self.call_id is not None:
            check_id("call id", self.call_id)
        check_limits(self.limits, {self.resource: 1})
        return found


def check_reading(resource: Resource, value: int, measured_at: datetime | None) -> None:
    """Accept a gauge's reading.

    Raises:
        BadInput: Not a whole number from 0 to 2^53, or a moment without a zone.
    """
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise BadInput(
            f"{value!r} is no reading of {resource.name};"
            f" it is a whole number from 0 to {LARGEST:,}"
        )
    if measured_at is not None and measured_at.tzinfo is None:
        raise BadInput("the time of the reading has no time zone; give one")


def member_bytes(members: Collection[str | bytes]) -> list[bytes]:
    """Return a call's members as they are counted, each once, in a fixed order.

    In another order it would be another request.

    Raises:
        BadInput: Not 1 to 1,000 members of 1 to 512 bytes.
    """
    if isinstance(members, str | bytes):
        raise BadInput("members are a list or a set; one alone is a list of one")
    if not 1 <= len(members) <= _MOST_MEMBERS:
        raise BadInput(
            f"a call names 1 to {_MOST_MEMBERS:,} members, this one {len(members):,}"
        )
    return sorted({_member(each) for each in members})


def _member(member: str | bytes) -> bytes:
    if not isinstance(member, str | bytes):
        raise BadInput(f"{member!r} is no member; it is a text or bytes")
    raw = name_bytes(member) if isinstance(member, str) else member
    if not 1 <= len(raw) <= _LONGEST_MEMBER:
        raise BadInput(
            f"a member has 1 to {_LONGEST_MEMBER} bytes, this one has {len(raw)}"
        )
    return raw
