"""What is gathered when somebody looks at a worker's metrics, and where."""

import asyncio
import threading

from prometheus_client import generate_latest

from meterdeck.core.model.usage import CounterId, ResourceName, TenantId
from meterdeck.core.services.sync.due import DueCounters
from meterdeck.core.services.sync.metrics import Asked, Metrics, gathered_in_loop

WAITING = Asked("meterdeck_waiting", "waiting", "Counters that wait.")
OLDEST = Asked("meterdeck_oldest", "oldest", "Since when.")


async def test_a_look_gathers_the_facts_once_in_the_loop_that_changes_them() -> None:
    """Counters come and go while another thread looks; no look fails by that.

    A dict that changes while it is gone through raises, and half a look would count
    counters that are not there together.
    """
    due = DueCounters()
    gathered_by: list[threading.Thread] = []

    def facts() -> dict[str, object]:
        gathered_by.append(threading.current_thread())
        waiting, oldest = due.waiting(lambda counter: True, 1.0)
        return {"waiting": waiting, "oldest": oldest or 0.0}

    def put(number: int) -> None:
        counter = CounterId(TenantId(f"t{number}"), ResourceName("calls"), "2026-11")
        due.put(counter, at=1.0, since=0.5)

    for number in range(500):
        put(number)
    metrics = Metrics()
    metrics.ask((WAITING, OLDEST), gathered_in_loop(facts))
    looks = asyncio.get_running_loop().run_in_executor(
        None, lambda: [generate_latest(metrics.registry).decode() for _ in range(10)]
    )
    number = 500
    while not looks.done():
        put(number)
        due.take(2.0, 1)
        number += 1
        await asyncio.sleep(0)

    texts = await looks
    assert all("meterdeck_waiting 500.0" in text for text in texts)
    assert all("meterdeck_oldest 0.5" in text for text in texts)
    assert gathered_by == [threading.current_thread()] * len(texts)
