"""Settings: what a file may say, what wins over it, and what bad input gets."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Context, Mode
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.usage import PlanName, ResourceName
from meterdeck.core.settings import context_names, find_config, load_context

PLAIN = """
default_context = "staging"

[resources.api_calls]
label = "API calls"
meter = "api_requests"
[resources.storage_gb]
scale = 3
period = "billing_cycle"

[plans.free.limits]
api_calls = 1_000
[plans.pro]
lookup_keys = ["pro_monthly"]
[plans.pro.limits]
api_calls = "unlimited"
storage_gb = "50.5"

[contexts.staging]
mode = "test"
default_plan = "free"
[contexts.staging.redis]
url = "redis://localhost:6379/0"
[contexts.staging.stripe]
api_key = { env = "STRIPE_KEY" }

[contexts.eu-1]
mode = "live"
read_only = true
[contexts.eu-1.redis]
url = "rediss://redis.example.com"
"""


@dataclass
class Config:
    """A configuration file and the environment to load it in."""

    path: Path
    environ: dict[str, str] = field(
        default_factory=lambda: {"STRIPE_KEY": "rk_test_secretsecret"}
    )

    def load(
        self, context: str | None = None, *, flags: Mapping[str, str] | None = None
    ) -> Context:
        """Load a context."""
        return load_context(
            config=self.path, context=context, environ=self.environ, flags=flags or {}
        )

    def problem(self, context: str | None = None) -> str:
        """Return the sentence that loading ends with, the file's name shortened."""
        with pytest.raises(ConfigError) as caught:
            self.load(context)
        sentence = str(caught.value)
        assert "\n" not in sentence
        return sentence.replace(str(self.path), "FILE")


Write = Callable[[str], Config]


@pytest.fixture
def config(tmp_path: Path) -> Write:
    """Write a configuration file."""

    def write(text: str) -> Config:
        path = tmp_path / "meterdeck.toml"
        path.write_text(text)
        path.chmod(0o644)
        return Config(path)

    return write


def changed(old: str, new: str) -> str:
    """Return the plain configuration with one thing changed."""
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            changed('mode = "test"', 'mode = "test"\nread_onyl = true'),
            "FILE: contexts.staging.read_onyl: there is no such setting;"
            " did you mean read_only?",
        ),
        (
            changed("[contexts.staging.redis]\nurl", "[contexts.staging.redis]\nurll"),
            "FILE: contexts.staging.redis.urll: there is no such setting;"
            " did you mean url?",
        ),
        (
            PLAIN + "\n[resorces.x]\n",
            "FILE: resorces: there is no such setting; did you mean resources?",
        ),
        (
            changed('mode = "test"', 'mode = "testing"'),
            "FILE: contexts.staging.mode: must be 'live', 'test' or 'sandbox'",
        ),
        (
            changed('mode = "test"', 'mode = "test"\npoll_seconds = 0'),
            "FILE: contexts.staging.poll_seconds: must be at least 0.1",
        ),
        (
            changed('mode = "test"', 'mode = "test"\nread_only = "perhaps"'),
            "FILE: contexts.staging.read_only: must be true or false",
        ),
        (
            changed('url = "redis://localhost:6379/0"', ""),
            "FILE: contexts.staging.redis.url: is missing",
        ),
        (
            changed('url = "redis://localhost:6379/0"', "url = 6379"),
            "FILE: contexts.staging.redis.url: must be a text in quotes",
        ),
        (
            changed("api_calls = 1_000", "api_cals = 1_000"),
            "FILE: plans.free.limits.api_cals: there is no resource 'api_cals';"
            " did you mean api_calls?",
        ),
        (
            changed("api_calls = 1_000", "api_calls = 0.5"),
            "FILE: plans.free.limits.api_calls: '0.5' is too fine; this resource takes"
            ' whole numbers; write "unlimited" for no limit',
        ),
        (
            changed("api_calls = 1_000", "api_calls = -1"),
            "FILE: plans.free.limits.api_calls: '-1' is negative; write a quantity of"
            ' 0 or more; write "unlimited" for no limit',
        ),
        (
            changed("api_calls = 1_000", "api_calls = true"),
            "FILE: plans.free.limits.api_calls: must be a text in quotes",
        ),
        (
            changed('default_plan = "free"', 'default_plan = "fre"'),
            "FILE: contexts.staging.default_plan: no plan 'fre'; did you mean free?",
        ),
        (
            changed('lookup_keys = ["pro_monthly"]', 'lookup_keys = "pro_monthly"'),
            'FILE: plans.pro.lookup_keys: must be a list, like ["a", "b"]',
        ),
        (
            changed('{ env = "STRIPE_KEY" }', '{ env = "STRIPE_KEY", file = "x" }'),
            "FILE: contexts.staging.stripe.api_key:"
            ' give one of env = "…", file = "…", command = ["…"]',
        ),
        (
            changed('default_context = "staging"', 'default_context = "stagin"'),
            "FILE: default_context: there is no context 'stagin';"
            " did you mean staging?",
        ),
        (
            changed('default_context = "staging"', ""),
            "FILE: several contexts (staging, eu-1) and no default_context;"
            " choose one with --context staging",
        ),
        (
            changed("redis://localhost:6379/0", "http://localhost"),
            "FILE: contexts.staging.redis.url: is not an address of Redis; write it"
            " like redis://localhost:6379/0, rediss://… or unix:///path",
        ),
        (
            changed("redis://localhost:6379/0", "redis://h/0?ssl_cert_reqs=none"),
            "FILE: contexts.staging.redis.url: there is no option 'ssl_cert_reqs' in a"
            " URL; did you mean ssl_certfile?",
        ),
        (
            changed(
                'url = "redis://localhost:6379/0"',
                'url = "redis://localhost"\nkey_template = "usage:{tenant}"',
            ),
            "FILE: contexts.staging.redis.key_template: 'usage:{tenant}' must contain"
            " {resource} exactly once;"
            " the usual one is usage:{tenant}:{resource}:{period}",
        ),
        (
            changed("[resources.api_calls]", '[resources."api:calls"]'),
            "FILE: resources.api:calls: may hold only letters, digits, dot, dash,"
            " underscore",
        ),
        ("mode = ", "FILE: is not valid TOML: Invalid value (at end of document)"),
        (
            "[a]\nb = 1\nb = 2\n",
            "FILE: is not valid TOML: Cannot overwrite a value (at line 3, column 6)",
        ),
    ],
)
def test_bad_input_gets_one_sentence(config: Write, text: str, sentence: str) -> None:
    """It says which file and key, what is wrong, and what would be right."""
    assert config(text).problem() == sentence


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "METERDECK_CONTEXT__STAGING__REDIS__URL",
            "redis://x",
            "environment METERDECK_CONTEXT__STAGING__REDIS__URL: no such setting;"
            " did you mean CONTEXTS?",
        ),
        (
            "METERDECK_CONTEXTS__STAGING__REDIS__URLL",
            "redis://x",
            "environment METERDECK_CONTEXTS__STAGING__REDIS__URLL:"
            " there is no such setting; did you mean url?",
        ),
        (
            "METERDECK_CONTEXTS__STAGING__POLL_SECONDS",
            "soon",
            "environment METERDECK_CONTEXTS__STAGING__POLL_SECONDS: must be a number",
        ),
        (
            "METERDECK_PLANS__PRO__PRICES",
            "[price_1",
            "environment METERDECK_PLANS__PRO__PRICES: is not a JSON list;"
            ' write it like ["a", "b"]',
        ),
        (
            "METERDECK_CONTEXT",
            "prod",
            "METERDECK_CONTEXT: there is no context 'prod';"
            " valid are: staging, eu-1, sandbox",
        ),
    ],
)
def test_a_wrong_variable_is_named(
    config: Write, variable: str, value: str, sentence: str
) -> None:
    """A misspelt variable is refused, not ignored."""
    found = config(PLAIN)
    found.environ[variable] = value

    assert found.problem() == sentence


@pytest.mark.parametrize(
    ("mode", "key", "part"),
    [
        ("test", "rk_live_secretsecret", "is a live key in a test context"),
        ("sandbox", "sk_live_secretsecret", "is a live key in a sandbox context"),
        ("live", "sk_test_secretsecret", "is not a live key, and the context is live"),
        ("test", "pk_test_secretsecret", "is a publishable key"),
    ],
)
def test_a_key_of_another_mode_is_refused(
    config: Write, mode: str, key: str, part: str
) -> None:
    """Nobody's money moves because a key was pasted into the wrong context."""
    found = config(changed('mode = "test"', f'mode = "{mode}"'))
    found.environ["STRIPE_KEY"] = key

    problem = found.problem()

    assert problem.startswith(f"FILE: contexts.staging.stripe.api_key.env: {part}")
    assert "secretsecret" not in problem


@pytest.mark.parametrize(
    ("base", "part"),
    [
        ("http://stripe.example.com", "would send the key unencrypted"),
        ("https://me@stripe.example.com", "must not hold a user or password"),
        ("ftp://127.0.0.1", "is not an address"),
        ("http://127.0.0.1:99999", "is not an address"),
        ("https://api.stripe.com/v1", "must end after the host and port"),
    ],
)
def test_a_stripe_address_that_may_not_have_the_key_is_refused(
    config: Write, base: str, part: str
) -> None:
    """The key goes to Stripe, to https, or nowhere off this machine."""
    key = 'api_key = { env = "STRIPE_KEY" }'
    found = config(changed(key, f'{key}\napi_base = "{base}"'))

    problem = found.problem()

    assert problem.startswith(f"FILE: contexts.staging.stripe.api_base: {part}")


def test_a_live_key_goes_to_stripe_only(config: Write) -> None:
    """Even an https address is refused where the context is live."""
    key = 'api_key = { env = "STRIPE_KEY" }'
    text = changed(key, f'{key}\napi_base = "https://stripe.example.com"')
    found = config(text.replace('mode = "test"', 'mode = "live"'))
    found.environ["STRIPE_KEY"] = "rk_live_secretsecret"

    assert "is not Stripe, and the context is live" in found.problem()


def test_the_file_is_searched_in_four_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flag, METERDECK_CONFIG, the working directory, then the configuration home."""
    here, home = tmp_path / "here", tmp_path / "home" / "meterdeck"
    for folder in (here, home):
        folder.mkdir(parents=True)
    flag, named, local = tmp_path / "a", tmp_path / "b", here / "meterdeck.toml"
    at_home = home / "config.toml"
    for path in (flag, named, local, at_home):
        path.write_text("")
    monkeypatch.chdir(here)
    environ = {"METERDECK_CONFIG": str(named), "XDG_CONFIG_HOME": str(home.parent)}

    assert find_config(flag, environ) == flag
    assert find_config(None, environ) == named
    del environ["METERDECK_CONFIG"]
    found = find_config(None, environ)
    assert found is not None
    assert found.resolve() == local
    local.unlink()
    assert find_config(None, environ) == at_home
    at_home.unlink()
    assert find_config(None, environ) is None


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A mistyped path is not a reason to use another file."""
    with pytest.raises(ConfigError, match=r"METERDECK_CONFIG: there is no file"):
        find_config(None, {"METERDECK_CONFIG": str(tmp_path / "none.toml")})


def test_without_any_configuration_the_way_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing a newcomer reads points to demo and init."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load_context(environ={"XDG_CONFIG_HOME": str(tmp_path)})

    assert "`meterdeck demo`" in str(caught.value)
    assert "`meterdeck init`" in str(caught.value)


def test_a_sandbox_is_never_chosen_by_itself(tmp_path: Path) -> None:
    """It must be named; without one that runs, the sentence says how to start it."""
    environ = {"METERDECK_STATE_DIR": str(tmp_path), "METERDECK_CONTEXT": "sandbox"}

    with pytest.raises(ConfigError, match="start one with: meterdeck sandbox"):
        load_context(environ=environ)


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


def test_no_error_carries_a_traceback_of_values(config: Write) -> None:
    """Nothing chained to the error holds what was written in the file."""
    found = config(changed('{ env = "STRIPE_KEY" }', '["hunter2"]'))

    with pytest.raises(ConfigError) as caught:
        found.load()

    assert caught.value.__cause__ is None
    assert not re.search("hunter2", str(caught.value))
