"""Settings of what a resource's number is, and what makes no sense together."""

from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Context
from meterdeck.core.model.limit_rules import LimitRule
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.usage import ResourceKind
from meterdeck.core.settings import load_context

CONFIG = """
[resources.disk_gb]
{table}
[contexts.only]
mode = "test"
[contexts.only.redis]
url = "redis://localhost"
"""


def load(tmp_path: Path, table: str, **environ: str) -> Context:
    """Load a configuration whose one resource has this table."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(CONFIG.format(table=table))
    return load_context(config=path, environ=environ)


@pytest.mark.parametrize(
    ("table", "kind", "period"),
    [
        ("", ResourceKind.COUNTER, PeriodKind.CALENDAR_MONTH),
        ('kind = "counter"', ResourceKind.COUNTER, PeriodKind.CALENDAR_MONTH),
        ('kind = "gauge"', ResourceKind.GAUGE, PeriodKind.NONE),
        ('kind = "gauge"\nscale = 3', ResourceKind.GAUGE, PeriodKind.NONE),
        (
            'kind = "unique"\nperiod = "billing_cycle"',
            ResourceKind.UNIQUE,
            PeriodKind.BILLING_CYCLE,
        ),
    ],
)
def test_a_resource_is_a_counter_unless_it_says_otherwise(
    tmp_path: Path, table: str, kind: ResourceKind, period: PeriodKind
) -> None:
    """A gauge has no period; members are counted in one like sums."""
    resource = load(tmp_path, table).resource("disk_gb")

    assert (resource.kind, resource.period) == (kind, period)


def test_the_environment_makes_a_gauge_too(tmp_path: Path) -> None:
    """As any other setting."""
    variable = {"METERDECK_RESOURCES__DISK_GB__KIND": "gauge"}

    assert load(tmp_path, "", **variable).resource("disk_gb").kind is ResourceKind.GAUGE


def test_a_gauge_may_have_grace_for_some_hours(tmp_path: Path) -> None:
    """They begin whenever the level passes the limit."""
    resource = load(tmp_path, 'kind = "gauge"\ngrace_hours = 12').resource("disk_gb")

    assert resource.rule == LimitRule(grace_hours=12)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            'kind = "gauge"\nperiod = "billing_cycle"',
            "resources.disk_gb: a gauge has no period: it does not reset; leave it out",
        ),
        (
            'kind = "gauge"\nperiod = "calendar_month"',
            "resources.disk_gb: a gauge has no period: it does not reset; leave it out",
        ),
        (
            'kind = "unique"\nscale = 2',
            "resources.disk_gb: members are whole: leave out scale",
        ),
        (
            'billed_by = "events"\nkind = "gauge"\nmeter = "m"',
            'resources.disk_gb: what is billed by events is of kind "counter"',
        ),
        (
            'billed_by = "events"',
            "resources.disk_gb: what is billed by events needs a meter",
        ),
        (
            'kind = "level"',
            "resources.disk_gb.kind: must be 'counter', 'gauge' or 'unique'",
        ),
        (
            'period = "none"',
            "resources.disk_gb.period: must be 'calendar_month' or 'billing_cycle'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    tmp_path: Path, table: str, sentence: str
) -> None:
    """With the file and the key it is about."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, table)

    assert str(refused.value).endswith(sentence)
    assert "meterdeck.toml" in str(refused.value)
