"""What an engine exposes: which of it writes, and which only reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

from tests.support.contexts import CALLS, DISK, RENDERS, USERS
from tests.tui.drift_pictures import missing
from tests.tui.ledger_pictures import ACCEPTED
from tests.tui.pictures import ACTOR, NOW, believable

from meterdeck.core.model.bulk_override import BulkOrder
from meterdeck.core.model.change_requests import Verdict as Word
from meterdeck.core.model.changes import AdjustKind, Adjustment, Bill
from meterdeck.core.model.delivery import (
    Claim,
    Confirmation,
    Settlement,
    Verdict,
    Wanted,
)
from meterdeck.core.model.event_changes import EventChange
from meterdeck.core.model.periods import calendar_month
from meterdeck.core.model.request_answers import Pending, RequestState
from meterdeck.core.model.usage import CounterId, TenantId
from meterdeck.core.services.engine import Engine
from meterdeck.core.services.reconcile.repair_plan import Choices, plan_of

ACME = TenantId("acme")
ANY = cast("Any", None)
"""For what is not looked at before it is refused."""
WISH = Adjustment(ACME, CALLS, AdjustKind.ADD, 1, None, Bill.QUOTA_ONLY, "why")
ORDER = BulkOrder(CALLS, ((ACME, 5),), None, "why")
SIGNED: dict[str, Any] = {"actor": ACTOR, "reason": "why", "operation_id": "op"}
HOUR = timedelta(hours=1)
COUNTER = CounterId(ACME, CALLS, "2026-11")
WANTED = Wanted(COUNTER, "calls", "cus_acme", 0, calendar_month(NOW))
CLAIM = Claim(COUNTER, ACCEPTED.event, 1, 0, 1, NOW)
ASKED = Pending("ana", "4f3c", "{}", RequestState.WAITING, NOW, NOW)
WRITING: dict[str, Callable[[Any], Any]] = {
    "alerts.acknowledge": lambda s: s.acknowledge("al", actor=ACTOR),
    "alerts.snooze": lambda s: s.snooze("al", NOW, actor=ACTOR),
    "bulk.perform": lambda s: s.perform(ORDER, actor=ACTOR, operation_id="op"),
    "catalogue.activate_price": lambda s: s.activate_price("p", "op"),
    "catalogue.apply": lambda s: anext(s.apply(ANY, "op")),
    "catalogue.archive_price": lambda s: s.archive_price("p", "op"),
    "catalogue.create_meter": lambda s: s.create_meter(ANY, "op"),
    "catalogue.create_price": lambda s: s.create_price(ANY, "p", "m", "op"),
    "catalogue.create_product": lambda s: s.create_product(ANY, "op"),
    "catalogue.rename_meter": lambda s: s.rename_meter("m", "name", "op"),
    "catalogue.set_meter_active": lambda s: s.set_meter_active("m", False, "op"),
    "changes.adjust": lambda s: s.adjust(WISH, actor=ACTOR, operation_id="op"),
    "changes.clear_override": lambda s: s.clear_override("acme", CALLS, **SIGNED),
    "changes.set_override": lambda s: s.set_override(
        "acme", CALLS, 5, expires_at=None, **SIGNED
    ),
    "changes.undo": lambda s: s.undo("acme", "1-0", **SIGNED),
    "drift.repair": lambda s: s.repair(
        plan_of([missing(believable()[0], 40)], Choices()), ACTOR, "why"
    ),
    "event_changes.perform": lambda s: s.perform(EventChange.REPLAY, "id", **SIGNED),
    "events.append": lambda s: s.append(ACCEPTED),
    "faults.advance": lambda s: s.advance(1.0),
    "faults.change": lambda s: s.change({"429": 0.1}),
    "faults.clear": lambda s: s.clear(),
    "faults.settle": lambda s: s.settle(),
    "gateway.cancel": lambda s: s.cancel("calls", "id"),
    "gateway.send_meter_event": lambda s: s.send_meter_event(ACCEPTED.event),
    "redis_users.apply": lambda s: s.apply([]),
    "request_server.serve": lambda s: s.serve(),
    "requests.decide": lambda s: s.decide(ASKED, Word.REJECT, "why"),
    "upgrade.apply": lambda s: s.apply(ANY),
    "records.claim": lambda s: s.claim([WANTED]),
    "records.confirm": lambda s: s.confirm([Confirmation(COUNTER, 1, 1)]),
    "records.settle": lambda s: s.settle([Settlement(CLAIM, Verdict.DELIVERED)]),
    "test_events.fire": lambda s: s.fire(ANY, CALLS, 1, operation_id="op"),
    "usage.confirm": lambda s: s.confirm("acme", "id"),
    "usage.consume": lambda s: s.consume("acme", {CALLS: 1}),
    "usage.count_unique": lambda s: s.count_unique("acme", USERS, ["ana"]),
    "usage.give_back_expired": lambda s: s.give_back_expired(),
    "usage.release": lambda s: s.release("acme", "id"),
    "usage.reserve": lambda s: s.reserve("acme", {CALLS: 1}, ttl=HOUR),
    "usage.set_gauge": lambda s: s.set_gauge("acme", DISK, 1),
    "usage.track": lambda s: s.track("acme", RENDERS),
}
"""What changes something: each is refused."""
READING = {
    "alerts.look", "catalogue.account", "catalogue.plan", "catalogue.users",
    "contract.enter", "contract.enter_once_known", "contract.look", "contract.watch",
    "gateway.try_reading", "redis_users.differences", "redis_users.missing_scripts",
    "redis_users.server",
    "request_server.tidy", "requests.answers_after", "requests.find",
    "requests.foresee", "requests.last_place", "requests.look", "requests.served",
    "requests.to_decide", "upgrade.plan",
    "changes.audit", "changes.audit_page", "changes.overrides",
    "changes.override_made", "changes.overrides_found", "changes.preview_undo",
    "changes.verify_audit",
    "changes.verify_audits", "costs.imagine", "costs.of", "costs.preview",
    "costs.what_if", "directory.cached", "directory.everybody", "directory.get",
    "directory.refresh", "health.queued", "standings.foresee", "test_events.foresee",
    "drift.closing", "drift.compare", "drift.compared", "drift.last",
    "event_changes.plan", "event_changes.plan_replays", "events.after",
    "events.beginning", "events.latest", "events.newest_before", "events.pages",
    "faults.look",
    "gateway.core_event", "gateway.customer", "gateway.customers",
    "gateway.destinations", "gateway.drafts",
    "gateway.events", "gateway.meters", "gateway.newest_event", "gateway.ping",
    "gateway.subscription", "gateway.subscriptions", "gateway.summaries",
    "gateway.summary", "gateway.versions", "health.look", "health.user",
    "health.sending", "history.of", "ledger.after", "ledger.latest", "ledger.letters",
    "ledger.needing", "ledger.open", "ledger.sight", "records.read",
    "records.unsettled", "standings.of", "stripe_history.complete", "usage.peek",
    "usage.refusals", "usage.usage", "watch.updates",
}  # fmt: skip
BESIDE = {
    "catalogue.activate_price", "catalogue.apply", "catalogue.archive_price",
    "catalogue.create_meter", "catalogue.create_price", "catalogue.create_product",
    "catalogue.rename_meter", "catalogue.set_meter_active", "faults.advance",
    "faults.change", "faults.clear", "faults.settle", "gateway.cancel",
    "gateway.send_meter_event",
    "redis_users.apply",  # users are no key of the contract
    "upgrade.apply",  # is refused when it is planned
}  # fmt: skip
"""What changes something else than keys of the Redis contract."""
QUIET = {"alerts.test", "directory.save", "gateway.close"}
"""No change of anything: a test alert; and what the directory leaves out silently."""


def services(engine: Engine) -> Iterator[tuple[str, object]]:
    """Yield what an engine exposes, by name."""
    for name in dir(engine):
        if name.startswith("_") or name in {"context", "close", "doctor", "now"}:
            continue
        found = getattr(engine, name)
        if inspect.iscoroutinefunction(found):
            continue  # gathers what the services read
        given = [print] if name == "request_server" else []
        yield name, found(*given) if inspect.ismethod(found) else found


def methods(engine: Engine) -> set[str]:
    """Return the public methods that are waited for, as `service.method`."""
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return {
        f"{name}.{method}"
        for name, service in services(engine)
        for method, found in inspect.getmembers(type(service))
        if method[0] != "_" and any(kind(found) for kind in kinds)
    }
