"""Believable traffic: which calls come, in which order, and how fast."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

from meterdeck.core.model.usage import ResourceName, TenantId
from meterdeck.core.sandbox.cast import Character
from meterdeck.core.sandbox.catalogue import API_CALLS, IMAGES, STORAGE_GB

_BUSIEST_HOUR = 14.0
_SWING = 0.55
_BURST_CHANCE = 1 / 1_500
_BURST_CALLS = (40, 240)
_BURST_SHARE = 0.4
# About a fifth of the calls fall into bursts; with these the mean pace stays 1.
_BURST_SPEED, _CALM_SPEED = 1.65, 0.92
_UPLOAD_SHARE = 0.12
_IMAGE_SHARE = 0.04
_UPLOAD_MEDIAN: Final = math.log(12)  # thousandths of a GB
_LARGEST_UPLOAD = 400


@dataclass(frozen=True, slots=True)
class TrafficCall:
    """One call to the tenant's application; with a `speed` above 1 it comes sooner."""

    tenant: TenantId
    amounts: Mapping[ResourceName, int]
    legacy: bool
    speed: float = 1.0


def day_rhythm(at: datetime) -> float:
    """Return how busy the hour is: 1 over a whole day, most in the UTC afternoon."""
    at = at.astimezone(UTC)
    hour = at.hour + at.minute / 60 + at.second / 3600
    return 1 + _SWING * math.cos((hour - _BUSIEST_HOUR) / 24 * math.tau)


def weights(characters: Sequence[Character]) -> list[float]:
    """Return each tenant's share of the calls, together 1 (or all 0 when silent)."""
    promised = sum(each.share for each in characters)
    busyness = sum(each.busyness for each in characters if not each.share)
    # Without a crowd the promised shares are all there is.
    left = 1 - promised if busyness else 0.0
    total = promised + left
    if not total:
        return [0.0] * len(characters)
    each_part = left / busyness if busyness else 0.0
    return [(each.share or each.busyness * each_part) / total for each in characters]


def calls(seed: int, characters: Sequence[Character]) -> Iterator[TrafficCall]:
    """Yield calls without end; the same seed and tenants give the same sequence.

    Few tenants make most of the calls. Now and then one has a burst and makes a good
    part of all of them for a while. Yields nothing when everybody is silent.
    """
    cumulative = list(accumulate(weights(characters)))
    if not cumulative or not cumulative[-1]:
        return
    chance = random.Random(f"{seed}:calls")
    bursting, left = characters[0], 0
    while True:
        if not left and chance.random() < _BURST_CHANCE:
            bursting = chance.choices(characters, cum_weights=cumulative)[0]
            left = chance.randint(*_BURST_CALLS)
        speed = _BURST_SPEED if left else _CALM_SPEED
        if left and chance.random() < _BURST_SHARE:
            left -= 1
            caller = bursting
        else:
            caller = chance.choices(characters, cum_weights=cumulative)[0]
        yield TrafficCall(caller.company.id, _amounts(chance), caller.legacy, speed)


def _amounts(chance: random.Random) -> Mapping[ResourceName, int]:
    """Draw what a call uses: always one API call, sometimes an upload or images."""
    kind = chance.random()
    if kind < _UPLOAD_SHARE:
        size = int(chance.lognormvariate(_UPLOAD_MEDIAN, 1.0))
        return {API_CALLS: 1, STORAGE_GB: max(1, min(_LARGEST_UPLOAD, size))}
    if kind < _UPLOAD_SHARE + _IMAGE_SHARE:
        return {API_CALLS: 1, IMAGES: chance.randint(1, 3)}
    return {API_CALLS: 1}
