"""What a long-running process remembers is bounded: see docs/soak.md."""

from datetime import UTC, datetime, timedelta

from prometheus_client import generate_latest

from meterdeck.core.model.delivery import Verdict
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId
from meterdeck.core.services.alerting.paces import Paces
from meterdeck.core.services.recent import Recent
from meterdeck.core.services.sync.metrics import MOST_CODES, Metrics
from meterdeck.core.services.tenant_fields import MOST_KEPT, FieldReader

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def counter(number: int) -> CounterId:
    """Name a counter."""
    return CounterId(TenantId(f"t{number}"), ResourceName("calls"), "2026-11")


def test_a_full_cache_forgets_one_entry_for_each_new_one() -> None:
    """The one that was put in longest ago; one that is put in again is the newest."""
    recent: Recent[int, str] = Recent(3)
    for number in (1, 2, 3, 1, 4):
        recent.put(number, f"{number}")

    assert len(recent) == 3
    assert [recent.get(number) for number in (1, 2, 3, 4)] == ["1", None, "3", "4"]


def test_what_is_remembered_for_a_time_is_asked_for_anew_after_it() -> None:
    """And takes no memory from then on."""
    now = [0.0]
    recent: Recent[str, int] = Recent(10, 60.0, clock=lambda: now[0])
    recent.put("a", 1)

    now[0] = 59.9
    assert recent.get("a") == 1
    now[0] = 60.0
    assert recent.get("a") is None
    assert len(recent) == 0


def test_of_too_many_counters_the_pace_of_the_one_that_rests_is_forgotten() -> None:
    """Those that move keep theirs, however many others there are."""
    paces = Paces(most=3)
    later = NOON + timedelta(minutes=1)
    for number in (1, 2, 3):
        paces.note(counter(number), 0, NOON)
    paces.note(counter(1), 60, later)
    paces.note(counter(4), 60, later)

    assert paces.rate(counter(1), 60, later) == 1.0
    assert paces.rate(counter(2), 60, later) is None
    assert paces.rate(counter(3), 60, later) == 1.0


def test_codes_of_refusals_are_labels_of_a_metric_up_to_a_hundred() -> None:
    """Whoever answers instead of Stripe may invent as many as it likes."""
    metrics = Metrics()
    for number in range(MOST_CODES + 50):
        metrics.settled(Verdict.DEAD, None, f"code_{number}")

    text = generate_latest(metrics.registry).decode()
    assert text.count("meterdeck_refusals_total{") == MOST_CODES + 1
    assert 'meterdeck_refusals_total{code="other"} 50.0' in text


def test_limits_that_tenants_share_are_one_object_and_forgotten_when_too_many() -> None:
    """Where each tenant has limits of its own, its reader keeps not all of them."""
    reader = FieldReader()

    def limits(number: int) -> object:
        entry = {b"plan": b"pro", b"limit:calls": b"%d" % number}
        return reader.tenant(TenantId("acme"), entry).limits

    first = limits(1)
    assert limits(1) is first
    for number in range(2, MOST_KEPT + 2):
        limits(number)

    assert limits(1) == first
    assert limits(1) is not first
