"""RateLimit fields and Retry-After: what a decision looks like in HTTP headers.

Fields as in draft-ietf-httpapi-ratelimit-headers-11, values as in RFC 9651.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from meterdeck.core.middleware.asgi import Headers
from meterdeck.core.model.decisions import Decision, ResourceDecision
from meterdeck.core.model.periods import Period

_LARGEST = 999_999_999_999_999  # an Integer has at most 15 digits
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def rate_limit_fields(decision: Decision, now: datetime) -> Headers:
    """Return `RateLimit-Policy` and `RateLimit`: one item a resource with a limit.

    Unlimited resources have no item; without any item there are no fields. A gauge's
    item has no time: it does not reset.
    """
    limited = [each for each in decision.resources if each.limit.units is not None]
    if not limited:
        return ()
    return (
        (b"ratelimit-policy", _list(_policy(each) for each in limited)),
        (b"ratelimit", _list(_state(each, now) for each in limited)),
    )


def seconds_left(period: Period, now: datetime) -> int:
    """Return whole seconds until `period` ends, rounded up.

    From 1 to the period's length: this host's clock is not the counter's, and one
    that is ahead must not send clients back at once.
    """
    left = period.end - max(now, period.start)
    return max(1, left.days * 86_400 + left.seconds + (left.microseconds > 0))


def _policy(each: ResourceDecision) -> str:
    # No `qu`: its registry knows requests and bytes, not what is counted here.
    policy = f"{_string(each.resource)};q={_integer(each.limit.units)}"
    if each.period.endless:
        return policy
    return f"{policy};w={seconds_left(each.period, each.period.start)}"


def _state(each: ResourceDecision, now: datetime) -> str:
    state = f"{_string(each.resource)};r={_integer(each.remaining)}"
    if each.period.endless:
        return state
    return f"{state};t={seconds_left(each.period, now)}"


def _list(items: Iterable[str]) -> bytes:
    return ", ".join(items).encode("ascii")


def _integer(units: int | None) -> int:
    return min(max(units or 0, 0), _LARGEST)


def policy_name(resource: str) -> str:
    """Return what a resource's policy is called: its name.

    A field's String is ASCII; other letters are percent-encoded, as in an address.
    """
    return quote(resource, safe=_PRINTABLE, errors="surrogateescape")


def _string(name: str) -> str:
    text = policy_name(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
