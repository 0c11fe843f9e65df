"""Show an address without its secrets, also one that is written wrongly."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlsplit

from meterdeck.core.model.secret import HIDDEN
from meterdeck.core.settings.endpoints import OPTIONS, unsplit


def shown_address(url: str) -> str:
    """Return an address without its user and password.

    All of it is hidden where a password may stand elsewhere: as an option, or behind
    a `/`, `?` or `#` of its own, which ended the host.
    """
    parts = _split(url)
    if parts is None or parts.fragment:
        return HIDDEN
    options = parse_qsl(parts.query, keep_blank_values=True)
    if any(name not in OPTIONS for name, _ in options):
        return HIDDEN
    host = parts.netloc.rpartition("@")[2]
    return unsplit(parts, f"{HIDDEN}@{host}" if "@" in parts.netloc else host)


def shown_host(url: str) -> str:
    """Return an address without its path, which may be all that keeps it secret."""
    parts = _split(url)
    if parts is None:
        return HIDDEN
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return f"{shown}/{HIDDEN}" if url.removeprefix(shown).strip("/") else url


def shown_node(text: str) -> str:
    """Return `host:port`, which needs no user: with one it is no address of a node."""
    return HIDDEN if "@" in text else text


def _split(url: str) -> SplitResult | None:
    """Take an address apart; None where it is none, or its host may be no host."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        return None
    whole = "://" in url and url.count("@") == parts.netloc.count("@")
    return parts if whole else None
