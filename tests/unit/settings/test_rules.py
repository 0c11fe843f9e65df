"""Settings of what happens at a limit, and how the directory keeps them."""

from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Context
from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule, read_rule
from meterdeck.core.model.usage import PlanName, ResourceName, Tenant, TenantId
from meterdeck.core.services.tenant_fields import FieldReader, encode, tenant_to_fields
from meterdeck.core.settings import load_context

CALLS, IMAGES = ResourceName("api_calls"), ResourceName("images")
PRO, FREE = PlanName("pro"), PlanName("free")
CONFIG = """
[resources.api_calls]
grace_percent = 10
[resources.images]
[plans.free.limits]
api_calls = 1_000
images = 5
[plans.pro.limits]
api_calls = {{ limit = "5_000", {table} }}
images = 50
[contexts.only]
mode = "test"
default_plan = "free"
[contexts.only.redis]
url = "redis://localhost"
"""


def load(tmp_path: Path, text: str, **environ: str) -> Context:
    """Load the only context of a configuration."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(text)
    return load_context(config=path, environ=environ)


def test_a_plans_limit_has_its_own_rule_or_the_resources(tmp_path: Path) -> None:
    """A table replaces the whole rule; what nobody says anything of is plain."""
    context = load(tmp_path, CONFIG.format(table='enforcement = "soft"'))

    grace = LimitRule(grace_percent=10)
    assert context.plans[PRO].limits == {CALLS: 5000, IMAGES: 50}
    assert context.plans[PRO].rules == {CALLS: LimitRule(Enforcement.SOFT)}
    assert context.plans[FREE].rules == {CALLS: grace}
    assert context.default_rule(CALLS) == grace
    assert context.default_rule(IMAGES) is None


def test_a_resource_is_asked_for_rules_once_any_plan_has_one(tmp_path: Path) -> None:
    """Also where its own is plain: entries of that plan have another."""
    text = CONFIG.format(table="grace_hours = 24").replace("grace_percent = 10", "")
    context = load(tmp_path, text)

    assert context.default_rule(CALLS) == PLAIN
    assert context.plans[PRO].rules == {CALLS: LimitRule(grace_hours=24)}
    assert context.plans[FREE].rules == {CALLS: PLAIN}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('enforcement = "firm"', "enforcement: must be 'hard', 'soft' or 'shadow'"),
        ("grace_percent = -1", "grace_percent: must be at least 0"),
        ("grace_hours = 9_999", "grace_hours: must be at most 8784"),
        ('enforcement = "soft", grace_hours = 1', 'grace is for enforcement = "hard"'),
        ("grace = 5", "there is no such setting"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    tmp_path: Path, table: str, words: str
) -> None:
    """With the key it is about."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, CONFIG.format(table=table))

    assert words in str(caught.value)
    assert "plans.pro.limits.api_calls" in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (PLAIN, "hard"),
        (LimitRule(Enforcement.SOFT), "soft"),
        (LimitRule(Enforcement.SHADOW), "shadow"),
        (LimitRule(grace_percent=10), "hard 10 -"),
        (LimitRule(grace_hours=24), "hard - 86400"),
        (LimitRule(grace_percent=10, grace_hours=1), "hard 10 3600"),
    ],
)
def test_a_rule_is_read_back_from_the_directory(rule: LimitRule, text: str) -> None:
    """The text is what the scripts take, and an entry keeps it."""
    tenant = Tenant(TenantId("acme"), "acme", limits={CALLS: 5}, rules={CALLS: rule})

    fields = tenant_to_fields(tenant)

    assert fields["rule:api_calls"] == text
    raw = {encode(name): encode(value) for name, value in fields.items()}
    assert FieldReader().tenant(TenantId("acme"), raw) == tenant


@pytest.mark.parametrize(
    "text", ["", "firm", "hard 5", "hard - -", "hard x -", "soft 1 2 3"]
)
def test_what_is_no_rule_is_none(text: str) -> None:
    """Nothing is guessed."""
    assert read_rule(text) is None
