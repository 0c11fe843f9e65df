"""`meterdeck sync` and `meterdeck closing` on real servers."""

import json
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing as closed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket

import pytest
import redis
from tests.integration.cli.conftest import CommandLine
from tests.support.stripe_account import Seller

from meterdeck.core.local_stripe.ingested import ReceivedMeterEvent
from meterdeck.core.services.sync import worker

Stripe = tuple[Seller, str]


@pytest.fixture
def used(stripe_cli: CommandLine, store: redis.Redis, stripe_server: Stripe) -> str:
    """Acme, a customer, used 12 calls, and a stranger used 3; none is billed."""
    seller, _ = stripe_server
    seller.meter("api_requests")
    customer = seller.local.call(
        "POST", "/v1/customers", {"name": "Acme", "metadata": {"tenant": "acme"}}
    )
    store.incrby(f"usage:acme:api_calls:{month(store)}", 12)
    store.incrby(f"usage:stranger:api_calls:{month(store)}", 3)
    return str(customer["id"])


def month(store: redis.Redis, before: int = 0) -> str:
    """Return the label of the server's month, or of the one so many before."""
    at = datetime.fromtimestamp(store.time()[0], UTC)
    for _ in range(before):
        at = at.replace(day=1) - timedelta(days=1)
    return f"{at:%Y-%m}"


def test_once_delivers_and_says_what_is_left_and_why(
    stripe_cli: CommandLine, used: str, stripe_server: Stripe
) -> None:
    """Exit code 1 while something cannot be billed; a second run delivers nothing."""
    received: list[ReceivedMeterEvent] = []
    stripe_server[0].local.on_meter_event = received.append
    first = stripe_cli("sync", "--once", "--json")
    second = stripe_cli("sync", "--once")

    assert (first.code, first.json["delivered"], first.json["left"]) == (
        1,
        1,
        {"no_customer": 1},
    )
    assert second.code == 1
    assert second.out.splitlines() == [
        "nothing was delivered",
        "1 counter: the tenant is no customer in Stripe",
    ]
    (event,) = received
    assert (event.customer, event.value, event.accepted) == (used, "12", True)


def test_once_tells_counters_from_events_of_their_own(
    stripe_cli: CommandLine, used: str
) -> None:
    """A stranger's counter is left, and so is what strangers tracked."""
    text = stripe_cli.config.read_text()
    renders = '[resources.renders]\nmeter = "api_requests"\nbilled_by = "events"\n'
    stripe_cli.config.write_text(text + renders)
    for tenant in ("stranger", "nobody"):
        assert stripe_cli("track", tenant, "renders").code == 0
    done = stripe_cli("sync", "--once")

    assert done.code == 1
    assert done.out.splitlines() == [
        "1 event delivered",
        "1 counter: the tenant is no customer in Stripe",
        "2 queued events: the tenant is no customer in Stripe",
    ]


def test_once_says_that_nothing_was_unsent_only_where_nothing_is(
    stripe_cli: CommandLine, used: str, store: redis.Redis
) -> None:
    """Once the stranger's use is taken away, all is delivered."""
    store.delete(f"usage:stranger:api_calls:{month(store)}")
    first, second = stripe_cli("sync", "--once"), stripe_cli("sync", "--once")

    assert (first.code, first.out) == (0, "1 event delivered\n")
    assert (second.code, second.out) == (0, "nothing was unsent\n")


def test_once_says_that_stripe_was_too_busy(
    stripe_cli: CommandLine,
    used: str,
    stripe_server: Stripe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it has not delivered was not unsent: it ends with 1."""
    monkeypatch.setattr(worker, "_DRAIN_S", 0.5)
    stripe_server[0].local.panel.change({"429": 1.0, "paths": "meter_events"})
    text = stripe_cli.config.read_text()
    options = "[contexts.billed.delivery]\ntakeover_seconds = 1\n"
    stripe_cli.config.write_text(text + options)

    done = stripe_cli("sync", "--once")

    assert done.code == 1
    assert "nothing was delivered\n1 not finished" in done.out


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[dict[str, str], Callable[[], str]]]:
    """What systemd gives a service, and the next thing that the service says to it."""
    path = str(tmp_path / "notify")
    with closed(socket(AF_UNIX, SOCK_DGRAM)) as door:
        door.bind(path)
        door.settimeout(30)
        environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}
        yield environ, lambda: door.recv(4096).decode().splitlines()[0]


def test_sync_delivers_until_it_is_told_to_end(
    stripe_cli: CommandLine,
    used: str,
    manager: tuple[dict[str, str], Callable[[], str]],
) -> None:
    """Its journal is JSON, its metrics are Prometheus's, and SIGTERM ends it well;
    systemd hears that it is ready, alive again and again, and ending."""
    environ, said = manager
    with closed(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("sync", "--json", "--metrics-port", str(port))
    with stripe_cli.program(*words, **environ) as worker:
        assert worker.stdout is not None
        events = []
        for line in worker.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "worker_ready":
                break
        metrics = ""
        while 'meterdeck_events_total{verdict="delivered"} 1.0' not in metrics:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                metrics = answer.read().decode()
        heard = [said(), said(), said()]
        worker.send_signal(signal.SIGTERM)
        while heard[-1] != "STOPPING=1":
            heard.append(said())
        rest, complaints = worker.communicate(timeout=30)
    ends = json.loads(rest.splitlines()[-1])

    assert (worker.returncode, complaints) == (0, "")
    assert heard[:3] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert set(heard[3:-1]) <= {"WATCHDOG=1"}
    assert (ends["event"], ends["delivered"]) == ("worker_ends", 1)
    assert 'meterdeck_requests_total{answer="accepted"} 1.0' in metrics
    assert "meterdeck_oldest_unsent_seconds" in metrics
    assert "sk_test" not in metrics + rest + str(events)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--context", "staging"), "nothing to deliver to"),
        (("--read-only",), "read-only"),
        (("--metrics-port", "70000"), "--metrics-port 70000 is no port"),
    ],
)
def test_sync_does_not_start_where_it_cannot_deliver(
    stripe_cli: CommandLine, words: tuple[str, ...], complaint: str
) -> None:
    """One sentence, before anything is written."""
    done = stripe_cli("sync", "--once", *words)

    assert done.code in (1, 2)
    assert complaint in done.err


def test_closing_names_what_a_closed_month_still_owes(
    stripe_cli: CommandLine, store: redis.Redis, used: str, stripe_server: Stripe
) -> None:
    """Units in flight, waiting and in letters, until they are at Stripe."""
    assert stripe_cli("tenants", "--refresh").code == 0
    found = stripe_cli("closing", "--hours", "744", "--json").json["closing"]
    (row,) = [each for each in found if each["period"] == month(store)]

    assert (row["tenant"], row["waiting"], row["unsent"]) == ("acme", 12, 12)
    stripe_cli("sync", "--once")
    after = stripe_cli("closing", "--hours", "744")
    assert (after.code, after.out) == (0, "")
    assert "nothing is unsent" in after.err
    assert stripe_cli("closing", "--hours", "0").code == 2
