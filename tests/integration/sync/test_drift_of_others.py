"""Two workers, one pass: drift of a tenant that the other one looks after."""

from dataclasses import replace

from tests.support.delivering import Bench, at_work, until

from meterdeck.core.adapters.alert_calls import AlertCalls
from meterdeck.core.model.alert_rules import AlertRule, Measure
from meterdeck.core.model.alerts import AlertState
from meterdeck.core.model.context import AlertOptions
from meterdeck.core.model.reconciliation import Cause
from meterdeck.core.model.usage import TenantId
from meterdeck.core.services.sync.metrics import Metrics
from meterdeck.core.services.sync.worker import Worker

ZETA = TenantId("zeta")
EVENTS = "/v1/billing/meter_events"
CANCELLATIONS = "/v1/billing/meter_event_adjustments"


async def alerts_of_zeta(bench: Bench) -> list[AlertState]:
    """Return how each alert of the tenant stands."""
    calls = AlertCalls(bench.redis, bench.context.redis.layout, 35)
    (book,) = await calls.books([ZETA])
    return [each.state for each in book.alerts.values()]


def told(metrics: Metrics) -> float | None:
    """Return the foreign units that a worker's metrics tell of; None before a pass."""
    return metrics.registry.get_sample_value(
        "meterdeck_drift_units", {"cause": Cause.FOREIGN.value}
    )


async def test_whichever_worker_reconciles_ends_an_alert_of_drift_and_all_tell_it(
    bench: Bench,
) -> None:
    """Else the alert stays open for a day, and one worker's metric for ever."""
    customer = bench.stripe.subscribed("zeta")
    rule = AlertRule("drift", Measure.DRIFT_PERCENT, (1,))
    context = replace(
        bench.context,
        alerts=AlertOptions(rules=(rule,)),
        delivery=replace(bench.context.delivery, reconcile_m=0),
    )
    await bench.use("zeta", 90_000)
    metrics = Metrics(), Metrics()
    one = Worker(context, name="a", observer=metrics[0])
    two = Worker(context, name="b", observer=metrics[1])
    async with at_work(one), at_work(two):
        await until(lambda: one.share.workers == two.share.workers == 2, "both know")
        flows = (one.counters, two.counters)
        await until(lambda: sum(each.tally.delivered for each in flows) == 1, "billed")
        own, other = (one, two) if one.share.is_mine(ZETA) else (two, one)
        foreign = {
            "event_name": "api_requests",
            "identifier": "foreign",
            "payload": {"stripe_customer_id": customer, "value": "5000"},
        }
        bench.stripe.local.call("POST", EVENTS, foreign)
        await own.duties.reconcile(everything=True)
        await other.duties.measure()

        assert await alerts_of_zeta(bench) == [AlertState.OPEN]
        assert [told(each) for each in metrics] == [5_000, 5_000]

        cancelled = {
            "event_name": "api_requests",
            "type": "cancel",
            "cancel": {"identifier": "foreign"},
        }
        bench.stripe.local.call("POST", CANCELLATIONS, cancelled)
        await other.duties.reconcile(everything=True)
        await own.duties.measure()

        assert await alerts_of_zeta(bench) == [AlertState.RESOLVED]
        assert [told(each) for each in metrics] == [0, 0]
