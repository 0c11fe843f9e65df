"""Whatever answers in Stripe's place: an error of ours, and nothing counted as sent."""

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.fuzzing import HOSTILE, Fuzzing, bent, odd_json, patient
from tests.support.stripe_faults import Asked, FaultServer, Reply

from meterdeck.core.adapters import stripe_requests
from meterdeck.core.adapters.stripe_gateway import StripeGateway
from meterdeck.core.adapters.stripe_sinks import open_sink
from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Mode, Secret, SinkKind, StripeOptions
from meterdeck.core.model.delivery import Answer
from meterdeck.core.model.events import MeterEvent

RECORDED = Path(__file__).parents[1] / "local_stripe" / "recorded"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
EVENT = MeterEvent("api_requests", "id-1", "cus_1", "5", NOW)
Ask = Callable[[StripeGateway], Awaitable[object]]


def bodies() -> list[Any]:
    """Return what the real Stripe answered, and lists of it."""
    found = []
    for path in sorted(RECORDED.glob("*.json")):
        recorded = json.loads(path.read_text())
        body = recorded.get("body", recorded) if isinstance(recorded, dict) else None
        found += [body, {"object": "list", "data": [body], "has_more": False}]
    accepted = {"object": "billing.meter_event", "identifier": "id-1"}
    error = {"error": {"code": "duplicate_meter_event", "message": "id-1 exists"}}
    return [*found, *[accepted] * 20, *[error] * 5]


BODIES = bodies()
ASKS: tuple[Ask, ...] = (
    lambda gateway: listed(gateway.customers()),
    lambda gateway: gateway.customer("cus_1"),
    lambda gateway: listed(gateway.subscriptions()),
    lambda gateway: gateway.meters(),
    lambda gateway: gateway.newest_event(["customer.created"]),
    lambda gateway: gateway.events("evt_1", ["customer.created"], at_most=3),
    lambda gateway: gateway.summaries("mtr_1", "cus_1", START, NOW, "hour"),
    lambda gateway: gateway.cancel("api_requests", "id-1"),
    lambda gateway: listed(gateway.core_events(START)),
    lambda gateway: gateway.core_event("evt_1"),
    lambda gateway: gateway.pricing.subscription("sub_1"),
    lambda gateway: gateway.pricing.price("price_1"),
    lambda gateway: gateway.pricing.preview("sub_1"),
)


async def listed(found: Any) -> list[object]:
    """Return the first few of what is yielded."""
    rows: list[object] = []
    async with aclosing(found):
        async for each in found:
            rows.append(each)
            if len(rows) == 5:
                break
    return rows


async def asked(question: Awaitable[object]) -> str:
    """Ask something; return why it was not answered, or ""."""
    try:
        await question
    except MeterdeckError as error:
        return str(error)
    return ""


def reply(chance: random.Random) -> Reply:
    """Return an answer that Stripe did not give, or not quite so."""
    body: object = chance.choice(BODIES)
    for _ in range(chance.randrange(4)):
        body = bent(chance, body)
    if chance.random() < 0.1:
        body = odd_json(chance)
    raw = json.dumps(body).encode()
    match chance.randrange(12):
        case 0:
            raw = raw[: chance.randrange(len(raw) + 1)]
        case 1:
            raw = b"<html><title>502 Bad Gateway</title>" + chance.randbytes(40)
        case 2:
            raw = b'{"a":' * chance.choice([10, 5_000]) + raw
        case 3:
            raw = raw + b" " * 300_000
    status = chance.choice([200, 200, 200, 200, 200, 201, 204, 301, 302, 307, 400, 401])
    if chance.random() < 0.2:
        status = chance.choice([402, 403, 404, 408, 409, 418, 425, 429, 500, 503, 599])
    headers = {"location": "http://127.0.0.1:1/elsewhere"}
    if chance.random() < 0.3:
        text = chance.choice(HOSTILE).encode("ascii", "ignore").decode()
        printed = "".join(c for c in text if c.isprintable())[:100]
        name = chance.choice(["request-id", "date", "retry-after", "content-type"])
        headers[name] = printed
    if status in (204, 304):
        raw = b""
    return Reply(status, raw, headers, cut=chance.random() < 0.05)


def says_so(given: Reply) -> bool:
    """Tell whether an answer says that the event is Stripe's now."""
    try:
        body = json.loads(given.body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(body, dict) or given.cut:
        return False
    error = body.get("error")
    if isinstance(error, dict) and 400 <= given.status < 500:
        return error.get("code") == "duplicate_meter_event"
    same = body.get("identifier", "id-1") == "id-1"
    return (
        200 <= given.status < 300
        and same
        and body.get("object") == ("billing.meter_event")
    )


@patient
async def test_whatever_answers_is_no_crash_and_no_delivery_unless_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torn and foreign JSON, pages of proxies, redirects, deep, long and odd ones."""
    monkeypatch.setattr(stripe_requests, "_PAUSE_S", 0.0)
    monkeypatch.setattr(stripe_requests, "_LONGEST_PAUSE_S", 0.0)
    fuzzing, chance = Fuzzing("Stripe's answers"), random.Random(0)  # noqa: S311
    given: list[Reply] = []

    def choose(_asked: Asked) -> Reply:
        given.append(reply(chance))
        return given[-1]

    async with FaultServer(choose=choose) as server:
        options = StripeOptions(Secret("sk_test_1"), server.base_url, timeout_s=5.0)
        gateway = StripeGateway(options, Mode.TEST)
        sinks = [
            open_sink(kind, options, Mode.TEST, at_once=1, meters=lambda _: None)
            for kind in SinkKind
        ]
        for chance in fuzzing.each(150):  # what `choose` takes from
            said = await asked(chance.choice(ASKS)(gateway))
            fuzzing.met["refused" if said else "read"] += 1
            assert "sk_test_1" not in said
            for sink in sinks:
                [attempt] = await sink.send([EVENT])
                fuzzing.met[f"{sink.name} {attempt.answer}"] += 1
                match attempt.answer:
                    case Answer.ACCEPTED if sink.name != "v1":  # nothing is told then
                        assert 200 <= given[-1].status < 300, given[-1]
                    case Answer.ACCEPTED | Answer.DUPLICATE:
                        assert says_so(given[-1]), given[-1]
        for sink in sinks:
            await sink.close()
        await gateway.close()
    fuzzing.told(capsys)
    assert {"read", "refused", "v1 accepted"} <= fuzzing.met.keys()
