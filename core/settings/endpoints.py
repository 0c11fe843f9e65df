"""Check addresses and keys of Redis and Stripe before anything is sent to them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import (
    STRIPE_API,
    STRIPE_METER_EVENTS,
    HostPort,
    Mode,
    Secret,
)
from meterdeck.core.model.text import visible
from meterdeck.core.settings.nearest import suggest

_SCHEMES = ("redis", "rediss", "unix")
FILE_OPTIONS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
"""The options of a Redis URL that name a file, or a folder of them."""
OPTIONS = ("db", *FILE_OPTIONS)
"""Of the URL of a Redis; none of them is a secret."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A Redis URL taken apart; `url` has no user and no password."""

    url: str
    username: str
    password: Secret | None


def redis_address(url: str, where: str, *, hostless: bool = False) -> RedisAddress:
    """Take a Redis URL apart.

    Args:
        hostless: It must name no host: Sentinels do.

    Raises:
        ConfigError: Not an address of Redis; the URL is not quoted.
    """
    parts = _split(url, where, "redis://localhost:6379/0")
    if parts.scheme not in _SCHEMES:
        fix = "write it like redis://localhost:6379/0, rediss://… or unix:///path"
        raise ConfigError(where, "is not an address of Redis", fix)
    if hostless:
        if parts.scheme == "unix" or parts.hostname:
            problem = "names a server, and the Sentinels say which one it is"
            raise ConfigError(where, problem, "write redis:///0, or rediss:///0")
    elif not (parts.path if parts.scheme == "unix" else parts.hostname):
        missing = "the socket's path" if parts.scheme == "unix" else "the host"
        raise ConfigError(where, f"{missing} is missing")
    database = parts.path.removeprefix("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise ConfigError(where, "the part after the host must be a database number")
    _check_options(parts, where)
    bare = unsplit(parts, parts.netloc.rpartition("@")[2])
    password = unquote(parts.password) if parts.password else ""
    return RedisAddress(
        url=bare,
        username=unquote(parts.username or ""),
        password=Secret(password) if password else None,
    )


def _check_options(parts: SplitResult, where: str) -> None:
    options = parse_qsl(parts.query, keep_blank_values=True)
    unknown = [name for name, _ in options if name not in OPTIONS]
    if "@" in parts.fragment or (unknown and "@" in parts.query):
        # A password's own ? or # ended the host, and this is the rest of the password.
        problem = "has an @ behind a ? or #"
        raise ConfigError(where, problem, "in a password write %3F and %23")
    for name in unknown:
        near = suggest(name, OPTIONS)
        raise ConfigError(where, f"there is no option {name!r} in a URL", near)


def host_port(text: str, where: str, default_port: int) -> HostPort:
    """Read `host`, `host:port` or `[IPv6]:port`.

    Raises:
        ConfigError: It is none of these; it is not quoted where it may hold a password.
    """
    example = f"localhost:{default_port}"
    if "@" in text:
        problem = "holds a user or password"
        raise ConfigError(where, problem, f"write the host and port: {example}")
    parts = _split(f"//{text}", where, example)
    if not parts.hostname or parts.netloc != text or text[-1:] == ":":
        problem = f"{visible(text)} is not an address"
        raise ConfigError(where, problem, f"write it like {example}")
    return HostPort(parts.hostname, parts.port or default_port)


def stripe_base(url: str, mode: Mode, where: str) -> str:
    """Return an address of Stripe's API, without a slash at the end.

    Raises:
        ConfigError: Not an address, or one that may not be given a key.
    """
    parts = _split(url, where, STRIPE_API)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(where, "must not hold a user or password")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(where, "is not an address", f"write it like {STRIPE_API}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(where, "must end after the host and port")
    base = f"{parts.scheme}://{parts.netloc}"
    if base in (STRIPE_API, STRIPE_METER_EVENTS):
        return base
    if mode is Mode.LIVE:
        fix = f"remove it: a live key goes to {STRIPE_API} only"
        raise ConfigError(where, "is not Stripe, and the context is live", fix)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigError(where, "would send the key unencrypted", "use https://")
    return base


def check_key(key: Secret, mode: Mode, where: str) -> None:
    """Refuse a Stripe key that does not belong to the context's mode.

    Raises:
        ConfigError: The key itself is not quoted.
    """
    text = key.reveal()
    live = text.startswith(("sk_live_", "rk_live_"))
    if text.startswith(("pk_", "whsec_")):
        kind = "a publishable key" if text.startswith("pk_") else "a webhook secret"
        raise ConfigError(where, f"is {kind}", "use a restricted key (rk_…)")
    if live and mode is not Mode.LIVE:
        fix = 'use a test key, or mark the context with mode = "live"'
        raise ConfigError(where, f"is a live key in a {mode} context", fix)
    if not live and mode is Mode.LIVE:
        fix = "use a key that starts with rk_live_ or sk_live_"
        raise ConfigError(where, "is not a live key, and the context is live", fix)


def unsplit(parts: SplitResult, netloc: str) -> str:
    """Return an address with another host, which may be empty."""
    whole = urlunsplit(parts._replace(netloc=netloc or "-"))
    return whole if netloc else whole.replace("://-", "://", 1)


def _split(url: str, where: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        raise ConfigError(
            where, "is not an address", f"write it like {example}"
        ) from None
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
