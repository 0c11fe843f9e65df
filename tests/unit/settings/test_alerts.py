"""Settings of alerts, and what makes no sense in them."""

import pickle
from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.alert_rules import AlertRule, Measure, Severity
from meterdeck.core.model.context import Context
from meterdeck.core.model.usage import ResourceName
from meterdeck.core.settings import load_context
from meterdeck.core.settings.explain import explain

CONFIG = """
[resources.disk_gb]
scale = 3
[plans.pro]
{tables}
[contexts.only]
mode = "{mode}"
[contexts.only.redis]
url = "redis://localhost"
[contexts.only.alerts]
{webhook}
"""
SECRET = 'webhook_secret = { env = "HOOK" }'
ENVIRON = {"HOOK": "0123456789abcdef"}


def load(
    tmp_path: Path, tables: str = "", webhook: str = "", mode: str = "test", **env: str
) -> Context:
    """Load a configuration with these tables and this webhook."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(CONFIG.format(tables=tables, webhook=webhook, mode=mode))
    return load_context(config=path, environ={**ENVIRON, **env})


def test_thresholds_are_read_in_their_units_and_the_loudest_is_last(
    tmp_path: Path,
) -> None:
    """From the file and from the environment."""
    tables = """
    [alerts.share]
    percent = [100, 80]
    [alerts.size]
    resource = "disk_gb"
    units = 1.5
    severity = "critical"
    [alerts.soon]
    plan = "pro"
    filter = "status:past_due"
    time_to_limit = ["30m", "2h"]
    [alerts.drift]
    drift = "1 %"
    """
    context = load(tmp_path, tables, METERDECK_ALERTS__LATE__LAG="90s")

    share, size, soon, drift, late = context.alerts.rules
    assert share == AlertRule("share", Measure.PERCENT, (80, 100))
    assert size == AlertRule(
        "size", Measure.UNITS, (1500,), Severity.CRITICAL, ResourceName("disk_gb")
    )
    assert (soon.thresholds, soon.plan) == ((7200, 1800), "pro")
    assert (drift.measure, drift.thresholds) == (Measure.DRIFT_PERCENT, (1,))
    assert (late.measure, late.thresholds) == (Measure.LAG, (90,))
    assert pickle.loads(pickle.dumps(context)) == context  # noqa: S301  # our own
    assert hash(context.alerts)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "x: give one of percent, units, time_to_limit, lag, drift"),
        ('lag = "5m"\npercent = 80', "x: give one of percent, units, time_to_limit"),
        ('lag = "5m"\nplan = "pro"', "x: lag is of the delivery as a whole"),
        ('plan = "por"\npercent = 80', "x.plan: no plan 'por'; did you mean pro?"),
        ('units = "5"', "x.units: units are a resource's own, and none is named"),
        ("percent = 0", "x.percent: '0' is not a percentage; write 1 to 1,000"),
        ('time_to_limit = "soon"', "x.time_to_limit: 'soon' is not a span; write it"),
        ('percent = 80\nfilter = "pln:pro"', "x.filter: "),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_one_sentence(
    tmp_path: Path, table: str, sentence: str
) -> None:
    """With the file and the key it is about."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f"[alerts.x]\n{table}")

    assert f"meterdeck.toml: alerts.{sentence}" in str(refused.value)


@pytest.mark.parametrize(
    ("webhook", "mode", "sentence"),
    [
        ('webhook_url = "https://h.example/x"', "test", "needs a webhook_secret"),
        (f'webhook_url = "http://h.example/x"\n{SECRET}', "live", "unencrypted"),
        (f'webhook_url = "https://a:b@h.example/"\n{SECRET}', "test", "user or pass"),
        (f'webhook_url = "hooks.example"\n{SECRET}', "test", "is not an address"),
        (
            'webhook_url = "http://localhost"\nwebhook_secret = { env = "WEAK" }',
            "live",
            "fewer than 16 characters",
        ),
    ],
)
def test_a_webhook_that_others_could_read_or_forge_is_refused(
    tmp_path: Path, webhook: str, mode: str, sentence: str
) -> None:
    """The address, which may be secret, is not quoted."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, webhook=webhook, mode=mode, WEAK="short")

    assert sentence in str(refused.value)
    assert "h.example" not in str(refused.value)


def test_neither_the_address_nor_the_secret_is_shown(tmp_path: Path) -> None:
    """By `config show` only the host, by the context nothing."""
    webhook = f'webhook_url = "https://h.example/T0/token"\n{SECRET}'
    context = load(tmp_path, webhook=webhook, mode="live")

    assert context.alerts.webhook is not None
    assert context.alerts.webhook.host == "h.example"
    assert "token" not in repr(context)
    shown = explain(config=tmp_path / "meterdeck.toml", environ=ENVIRON, flags={})
    assert "https://h.example/••••" in [each.value for each in shown]
    assert ENVIRON["HOOK"] not in str(shown)


@pytest.mark.parametrize("address", ["https://[::1/x", "https://ops:pw/token@h/"])
def test_an_address_that_cannot_be_taken_apart_is_hidden_whole(
    tmp_path: Path, address: str
) -> None:
    """`config show` is for finding what is wrong in it: it does not end."""
    with pytest.raises(ConfigError, match="webhook_url: is not an address"):
        load(tmp_path, webhook=f'webhook_url = "{address}"\n{SECRET}')

    shown = explain(config=tmp_path / "meterdeck.toml", environ=ENVIRON, flags={})
    found = {each.key: each.value for each in shown}
    assert found["contexts.only.alerts.webhook_url"] == "••••"
