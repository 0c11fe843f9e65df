"""`meterdeck faults`: what a sandbox's Stripe does wrong on purpose."""

from pathlib import Path

import pytest
from tests.integration.cli.conftest import CONTEXT, STRIPE, CommandLine
from tests.support.stripe_account import Seller

from meterdeck.core.sandbox.valkey import Valkey


@pytest.fixture
def box(
    stripe_cli: CommandLine, stripe_server: tuple[Seller, str], valkey_server: Valkey
) -> CommandLine:
    """The same with a context `box` of mode sandbox, and `shut`, which is read-only."""
    text = stripe_cli.config.read_text().replace('"billed"', '"box"', 1)
    for name in ("box", "shut"):
        values = {"name": name, "mode": "sandbox", "redis": valkey_server.url}
        text += CONTEXT.format(**values) + STRIPE.format(
            name=name, stripe=stripe_server[1]
        )
    text = text.replace("[contexts.shut]", "[contexts.shut]\nread_only = true")
    stripe_cli.config.write_text(text)
    return stripe_cli


def test_faults_are_set_shown_and_cleared(
    box: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """In the units people write; the same with --json, in numbers."""
    done = box("faults", "set", "429=30%", "lost=5%", "latency=200ms", "outage=30s")
    assert done.code == 0
    assert "faults are on in box" in done.out
    assert "30 s left" in done.out

    found = box("faults", "--json").json
    assert (found["context"], found["mode"]) == ("box", "sandbox")
    assert found["active"] == ["429", "lost", "latency_ms", "outage_s"]
    assert found["faults"]["latency_ms"] == 200
    assert 0 < found["outage_left_seconds"] <= 30
    assert stripe_server[0].local.panel.faults.rate_limited == 0.3

    assert "nothing goes wrong in box" in box("faults", "clear").out
    assert box("faults", "show", "--json").json["active"] == []


def test_a_preset_replaces_what_was_set(box: CommandLine) -> None:
    """Without a name they are listed."""
    box("faults", "set", "half=50%")

    found = box("faults", "preset", "lossy", "--json").json

    assert found["active"] == ["500_after", "cut", "lost", "half"]
    assert found["faults"]["half"] == 0.05
    assert "bad-day" in box("faults", "preset").out
    listed = box("faults", "preset", "--json").json["presets"]
    assert listed["outage"]["faults"] == {"outage_s": None}


def test_settling_tells_how_much_there_was(
    box: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """What waits for the summary lag."""
    seller, _ = stripe_server
    seller.meter()
    box("faults", "set", "summary_lag=2m")
    seller.event(seller.customer(), "3")

    assert box("faults", "settle", "--json").json["settled"] == 1
    assert "nothing was waiting" in box("faults", "settle").out


_SENTENCES = {
    ("set", "lsot=5%"): "there is no fault 'lsot'; did you mean lost?",
    ("set", "lost"): "'lost' sets nothing; write it like 429=30%",
    ("set", "lost=90%", "cut=20%"): "the shares are 110% together",
    ("preset", "bad"): "there is no preset 'bad'; did you mean bad-day?",
}


def test_what_cannot_be_is_one_sentence(box: CommandLine) -> None:
    """And exit code 2."""
    for words, sentence in _SENTENCES.items():
        done = box("faults", *words)

        assert done.code == 2
        assert sentence in done.err
        assert done.err.count("\n") == 1


def test_only_a_sandbox_goes_wrong(box: CommandLine, tmp_path: Path) -> None:
    """Not a test context, not a live one; a read-only one is only looked at.

    A sandbox that is away is out of reach.
    """
    for name, kind in (("billed", "test"), ("production", "live")):
        done = box("faults", "clear", "--context", name)
        assert done.code == 1
        assert f"{name} is a {kind} context; only a sandbox's Stripe" in done.err
    assert box("faults", "--context", "shut").code == 0
    assert "shut is read-only" in box("faults", "clear", "--context", "shut").err
    away = box("faults", "--stripe-api-base", "http://127.0.0.1:9")
    assert away.code == 3
    assert "the sandbox at http://127.0.0.1:9 does not answer" in away.err


def test_the_clock_is_shown_and_moved_ahead(box: CommandLine) -> None:
    """By a span; what is none is refused before anything is asked."""
    assert "as this machine's" in box("clock").out

    assert "1d 12h ahead" in box("clock", "advance", "36h").out
    assert 129_590 <= box("clock", "show", "--json").json["ahead_seconds"] <= 129_600
    wrong = box("clock", "advance", "soon")
    assert (wrong.code, "SPAN cannot be 'soon'" in wrong.err) == (2, True)
