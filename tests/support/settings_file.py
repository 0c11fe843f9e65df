"""A configuration file to load contexts from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Context
from meterdeck.core.settings import load_context

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


def changed(old: str, new: str) -> str:
    """Return the plain configuration with one thing changed."""
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)
