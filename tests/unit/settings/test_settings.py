"""Settings: what a file may say, and what wins over it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.settings_file import PLAIN, Write

from meterdeck.core.model.context import Mode
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.usage import PlanName, ResourceName
from meterdeck.core.settings import context_names, load_context


def test_a_file_becomes_a_context(config: Write) -> None:
    """Resources, plans, limits in smallest units and servers are resolved."""
    context = config(PLAIN).load()

    assert (context.name, context.mode, context.read_only) == (
        "staging",
        Mode.TEST,
        False,
    )
    assert [each.label for each in context.resources] == ["API calls", "storage_gb"]
    assert context.resource("storage_gb").period is PeriodKind.BILLING_CYCLE
    assert context.plans[PlanName("pro")].limits == {
        ResourceName("api_calls"): None,
        ResourceName("storage_gb"): 50_500,
    }
    assert context.plan_rules[1].lookup_keys == {"pro_monthly"}
    assert context.stripe is not None
    assert context.stripe.api_key.reveal() == "rk_test_secretsecret"
    assert context.stripe.meter_events_base == "https://meter-events.stripe.com"


def test_a_context_without_a_stripe_table_has_no_stripe(config: Write) -> None:
    """Counters alone are a way to work; a live context needs no key then."""
    context = config(PLAIN).load("eu-1")

    assert context.stripe is None
    assert context.read_only


def test_the_environment_wins_over_the_file(config: Write) -> None:
    """Dotted keys are variables; names match without regard to case and dashes."""
    found = config(PLAIN)
    found.environ |= {
        "METERDECK_CONTEXTS__EU_1__REDIS__URL": "redis://elsewhere:7000/2",
        "METERDECK_CONTEXTS__EU_1__POLL_SECONDS": "2.5",
        "METERDECK_CONTEXTS__EU_1__READ_ONLY": "false",
        "METERDECK_PLANS__PRO__PRICES": '["price_1", "price_2"]',
        "METERDECK_PLANS__PRO__LIMITS__STORAGE_GB": "7.25",
        "METERDECK_DEFAULT_CONTEXT": "eu-1",
    }

    context = found.load()

    assert context.redis.url == "redis://elsewhere:7000/2"
    assert context.poll_s == 2.5
    assert not context.read_only
    assert context.plan_rules[1].prices == {"price_1", "price_2"}
    assert context.plans[PlanName("pro")].limits[ResourceName("storage_gb")] == 7_250


def test_flags_win_over_the_environment(config: Write) -> None:
    """The strongest layer is what was typed last."""
    found = config(PLAIN)
    found.environ["METERDECK_CONTEXTS__STAGING__REDIS__URL"] = "redis://environment"
    flags = {
        "redis_url": "redis://flag",
        "stripe_api_base": "http://127.0.0.1:12111/",
        "read_only": "true",
    }

    context = found.load(flags=flags)

    assert context.redis.url == "redis://flag"
    assert context.read_only
    assert context.stripe is not None
    assert context.stripe.api_base == "http://127.0.0.1:12111"
    assert context.stripe.meter_events_base == "http://127.0.0.1:12111"


def test_a_context_can_come_from_the_environment_alone(tmp_path: Path) -> None:
    """A container needs no file."""
    environ = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "METERDECK_CONTEXTS__PROD__MODE": "live",
        "METERDECK_CONTEXTS__PROD__REDIS__URL": "redis://r",
        "METERDECK_CONTEXTS__PROD__REDIS__PASSWORD": "hunter2",
    }

    context = load_context(environ=environ)

    assert (context.name, context.mode) == ("prod", Mode.LIVE)
    assert context.redis.password is not None
    assert context.redis.password.reveal() == "hunter2"


def test_names_of_contexts_are_in_the_files_order(config: Write) -> None:
    """Those that the environment adds come last."""
    found = config(PLAIN)
    environ = {"METERDECK_CONTEXTS__EXTRA__MODE": "test"}

    assert context_names(found.path, environ) == ("staging", "eu-1", "extra")


def test_importing_settings_loads_no_schema() -> None:
    """pydantic-settings costs as much as Textual: the console paints before it."""
    program = (
        "import sys, meterdeck.core.settings;"
        "print([name for name in sys.modules if name.startswith('pydantic')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_sandbox_is_opened_without_the_schema_and_without_late_services(
    tmp_path: Path,
) -> None:
    """Its first counters wait for neither: together as long as Textual takes."""
    state = tmp_path / "sandbox.json"
    addresses = {"stripe_api_base": "http://127.0.0.1:1", "api_key": "sk_test_sandbox"}
    known = addresses | {"redis_url": "redis://127.0.0.1:1", "pid": os.getpid()}
    state.write_text(json.dumps(known))
    state.chmod(0o600)
    program = (
        "import sys\n"
        "from meterdeck.core.settings import load_context\n"
        "context = load_context(context='sandbox')\n"
        "from meterdeck.core.services.engine import Engine\n"
        "Engine(context).watch()\n"
        "late = {'usage', 'operator_changes', 'ledger', 'event_changes', 'fire'}\n"
        "late = {f'meterdeck.core.services.{name}' for name in late}\n"
        "print(sorted((late | {'pydantic'}) & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "METERDECK_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
