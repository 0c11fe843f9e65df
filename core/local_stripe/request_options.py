"""Headers by which a request asks for another version or another account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from meterdeck.core.local_stripe.refusals import LocalStripeRefusal, invalid
from meterdeck.core.local_stripe.wire import API_VERSION

# A date, the name of a release since 2024, and what betas add.
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(\.[a-z]+)?(;.*)?", re.ASCII)
_OTHER_ACCOUNT = ("stripe-account", "stripe-context")


def check(headers: Mapping[str, str], account: str) -> None:
    """Refuse a version that cannot be one, and any account but the key's own.

    Any date may be a version: an SDK that is newer than the local Stripe is welcome.
    """
    version = headers.get("stripe-version", API_VERSION)
    found = _VERSION.fullmatch(version)
    if found is None or not _is_date(found[1]):
        raise invalid(f"Invalid Stripe API version: {version}")
    if any(headers.get(name, account) != account for name in _OTHER_ACCOUNT):
        raise _no_platform()


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _no_platform() -> LocalStripeRefusal:
    return LocalStripeRefusal(
        "Only Stripe Connect platforms can work with other accounts. If you specified a"
        " client_id parameter, make sure it's correct. If you need to setup a Stripe"
        " Connect platform, you can do so at"
        " https://dashboard.stripe.com/account/applications/settings.",
        status=403,
    )
