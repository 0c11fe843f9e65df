"""The worker on a Stripe that has a bad day."""

from tests.support.contexts import CALLS
from tests.support.delivering import Bench, at_work, delivering, until

from meterdeck.core.model.fault_knobs import TROUBLES
from meterdeck.core.model.fault_presets import preset
from meterdeck.core.model.faults import OFF
from meterdeck.core.services.sync.worker import Worker
from meterdeck.core.services.usage import UsageService

_TENANTS = 16
_HARD = {"latency": 5, "jitter": 10, "paths": "meter_events", "seed": 13}
"""Seven of the first sixteen events are troubled, in six ways."""


async def test_a_bad_day_bills_everything_once(bench: Bench) -> None:
    """429, 409, 500, cut, lost and half answers: each unit is billed, none twice."""
    customers = {f"t{n}": bench.stripe.subscribed(f"t{n}") for n in range(_TENANTS)}
    panel = bench.stripe.local.panel
    usage = UsageService(bench.redis, bench.context)
    context = delivering(bench.context, takeover_s=30.0)  # nothing is put off
    async with at_work(Worker(context)) as worker:
        panel.set(preset("bad-day").faults.changed(_HARD))
        for tenant in customers:
            await usage.consume(tenant, {CALLS: 7})
        units = 7 * _TENANTS
        await until(lambda: worker.counters.tally.units == units, "all are delivered")

    assert sum(panel.injected[each] for each in TROUBLES) >= 7
    panel.set(OFF)
    bench.stripe.local.settle()
    billed = [int(await bench.billed(each)) for each in customers.values()]
    assert billed == [7] * _TENANTS
