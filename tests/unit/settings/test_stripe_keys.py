"""Stripe's key in the settings: of the right mode, for the right address."""

import pytest
from tests.support.settings_file import Write, changed


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
