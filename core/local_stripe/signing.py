"""Signs pushes as Stripe does: HMAC-SHA256 over the time and the body."""

from __future__ import annotations

import hashlib
import hmac


def signature_header(secret: str, body: bytes, at_s: int) -> str:
    """Give `Stripe-Signature`; `v0` is the scheme of test mode that nobody checks."""
    signed = str(at_s).encode() + b"." + body
    v1 = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    v0 = hmac.new(b"test mode", signed, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={v1},v0={v0}"
