"""The flags that `sandbox` and `demo` share: how large, how fast, which fleet."""

from __future__ import annotations

import argparse

from meterdeck.core.sandbox.cast import MOST_TENANTS
from meterdeck.core.sandbox.options import (
    DEFAULT_RATE,
    DEFAULT_SEED,
    DEFAULT_TENANTS,
    FASTEST_RATE,
)


def add_fleet_flags(parser: argparse.ArgumentParser) -> None:
    """Add --tenants, --rate and --seed."""
    group = parser.add_argument_group("fleet")
    group.add_argument(
        "--tenants",
        metavar="N",
        type=_tenants,
        default=DEFAULT_TENANTS,
        help=f"how many, up to {MOST_TENANTS:,} (default: {DEFAULT_TENANTS})",
    )
    group.add_argument(
        "--rate",
        metavar="N",
        type=_rate,
        default=DEFAULT_RATE,
        help="calls a second over the whole fleet, in the mean of a day"
        f" (default: {DEFAULT_RATE:g})",
    )
    group.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=DEFAULT_SEED,
        help="the same number gives the same tenants and the same calls"
        f" (default: {DEFAULT_SEED})",
    )


def _tenants(text: str) -> int:
    count = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= count <= MOST_TENANTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of tenants; write 0 to {MOST_TENANTS:,}"
        )
    return count


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a rate; write calls a second, up to {FASTEST_RATE:g},"
            " or use --no-traffic"
        )
    return rate
