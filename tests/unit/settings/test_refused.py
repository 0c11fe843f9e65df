"""Settings that make no sense get one sentence."""

import re

import pytest
from tests.support.settings_file import PLAIN, Write, changed

from meterdeck.core.errors import ConfigError


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


def test_no_error_carries_a_traceback_of_values(config: Write) -> None:
    """Nothing chained to the error holds what was written in the file."""
    found = config(changed('{ env = "STRIPE_KEY" }', '["hunter2"]'))

    with pytest.raises(ConfigError) as caught:
        found.load()

    assert caught.value.__cause__ is None
    assert not re.search("hunter2", str(caught.value))


@pytest.mark.parametrize(
    ("line", "always"),
    [
        ("poll_seconds = 0", True),
        ('default_plan = "gold"', False),
        ("redis.tls_verify = false", False),
        ("redis.cluster = true", False),
    ],
)
def test_what_has_to_fit_together_is_checked_of_the_context_in_use(
    config: Write, line: str, always: bool
) -> None:
    """Names, types and ranges are of every context, whichever is used."""
    text = PLAIN.replace("[contexts.eu-1]\n", f"[contexts.eu-1]\n{line}\n")
    found = config(text.replace("[contexts.eu-1.redis]\nurl", "redis.url"))

    with pytest.raises(ConfigError, match=r"contexts\.eu-1\."):
        found.load("eu-1")
    if always:
        with pytest.raises(ConfigError, match=r"contexts\.eu-1\."):
            found.load("staging")
    else:
        assert found.load("staging").name == "staging"
