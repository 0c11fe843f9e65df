"""The context of the running sandbox: no file has to be read and checked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from meterdeck.core.model.context import Context, Mode
from meterdeck.core.sandbox.catalogue import sandbox_context
from meterdeck.core.settings.endpoints import redis_address, stripe_base
from meterdeck.core.settings.running_sandbox import find_sandbox

_FLAG = "--redis-url"


def context_of_sandbox(environ: Mapping[str, str], flags: Mapping[str, str]) -> Context:
    """Return the context of the sandbox that runs now.

    Raises:
        ConfigError: None runs, or a flag is wrong.
    """
    found = find_sandbox(environ)
    redis_url = redis_address(flags.get("redis_url", found.redis_url), _FLAG)
    if redis_url.password is not None:
        # What checks secrets costs a third of a second, for a flag that is refused.
        from meterdeck.core.settings.secrets import Vault  # noqa: PLC0415

        Vault(environ, None).allow_plain(_FLAG)
    base = flags.get("stripe_api_base", found.stripe_api_base)
    context = sandbox_context(
        redis_url=redis_url.url,
        stripe_api_base=stripe_base(base, Mode.SANDBOX, "--stripe-api-base"),
        api_key=found.api_key,
    )
    return replace(context, read_only=context.read_only or "read_only" in flags)
