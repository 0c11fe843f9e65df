"""Proves whose a notification is: a time and an HMAC over the raw body.

Stripe signs so what it sends us, by `Stripe-Signature`, and we what we send of alerts,
by `Meterdeck-Signature`.
"""

from __future__ import annotations

import hashlib
import hmac

from meterdeck.core.errors import BadInput

TOLERANCE_S = 300
"""How old, or how far ahead, a signature's time may be."""

_MOST_SIGNATURES = 20
_LATEST_S = 253_402_300_799  # 9999-12-31


def check_signature(header: str, body: bytes, secret: str, now_s: float) -> None:
    """Check the signature of a webhook's body.

    Compares in constant time; any one of several `v1` signatures is enough, as while a
    secret is being replaced.

    Args:
        header: `t=<unix seconds>,v1=<hex>`, other schemes are ignored.
        secret: The endpoint's, `whsec_…`.
        now_s: Unix seconds of this host.

    Raises:
        BadInput: It is not Stripe's, or too old: somebody may be replaying it.
    """
    signed_at, signatures = _parse(header)
    signed = str(signed_at).encode() + b"." + body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
    matches = [hmac.compare_digest(expected, each) for each in signatures]
    if not any(matches):
        raise BadInput("the signature is not one of this endpoint's secret")
    if abs(now_s - signed_at) > TOLERANCE_S:
        raise BadInput(
            f"the signature's time is {abs(now_s - signed_at):.0f} s away from this"
            f" host's clock; at most {TOLERANCE_S} s are allowed"
        )


def signature_of(body: bytes, secret: str, now_s: int) -> str:
    """Return the header that `check_signature` accepts: `t=…,v1=…`."""
    signed = str(now_s).encode() + b"." + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={now_s},v1={digest}"


def _parse(header: str) -> tuple[int, list[bytes]]:
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    found = [value.encode() for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not found or len(found) > _MOST_SIGNATURES:
        raise BadInput("Stripe-Signature must have one t and a v1")
    text = times[0]
    plain = text.isascii() and text.isdecimal() and len(text) <= len(str(_LATEST_S))
    if not plain:
        raise BadInput("t in Stripe-Signature must be Unix seconds")
    return int(text), found
