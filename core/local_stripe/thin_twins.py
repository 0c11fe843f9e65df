"""The thin event beside a snapshot event: what changed, without the object.

They are made only while a destination of thin events wants their type.
"""

from __future__ import annotations

import json

from meterdeck.core.local_stripe.ids import Ids
from meterdeck.core.local_stripe.push_records import ThinTwin
from meterdeck.core.local_stripe.records import Event
from meterdeck.core.local_stripe.wire import Json, rfc3339


def type_of(snapshot_type: str) -> str:
    """Give the thin event's type."""
    return f"v1.{snapshot_type}"


def twin_of(ids: Ids, event: Event) -> ThinTwin:
    """Make the thin event of a snapshot event."""
    snapshot = json.loads(event.data)["object"]
    if "alert" in snapshot:
        # What an alert tells is no resource; the alert is.
        snapshot = snapshot["alert"]
    kind, object_id = str(snapshot["object"]), str(snapshot["id"])
    return ThinTwin(
        id=ids.v2_event(),
        created=event.created,
        type=type_of(event.type),
        related_id=object_id,
        related_type=kind,
        related_url=f"/v1/{kind.replace('.', '/')}s/{object_id}",
        snapshot_event=event.id,
        request_id=event.request_id,
        idempotency_key=event.idempotency_key,
    )


def render(twin: ThinTwin) -> Json:
    """Give the event; it has no data of its own."""
    reason = None
    if twin.request_id is not None:
        key = twin.idempotency_key or ""
        request = {"id": twin.request_id, "idempotency_key": key}
        reason = {"request": request, "type": "request"}
    return {
        "id": twin.id,
        "object": "v2.core.event",
        "changes": None,
        "context": None,
        "created": rfc3339(twin.created),
        "livemode": False,
        "reason": reason,
        "related_object": {
            "id": twin.related_id,
            "type": twin.related_type,
            "url": twin.related_url,
        },
        "snapshot_event": twin.snapshot_event,
        "type": twin.type,
    }
