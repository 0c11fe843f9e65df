"""Names of companies that do not exist, each with its slug, never the same twice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from meterdeck.core.model.usage import TenantId


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_HEADS = _words(
    "Al Bram Bren Cald Cor Dal Dern Ed Fal Fen Gal Grim Hal Hest Il Jor Kal Kest Lan "
    "Lorn Mar Mel Nor Oak Ost Pel Quil Rav Rost Sal Sel Tam Tess Thorn Ul Vald Ver "
    "Wend Wil Yar"
)
_TAILS = _words(
    "abeck adon amere andel aveth axley ebourne edale efold elund enholm erby eska "
    "eveld ewick ia idane igrave imond inthe iska istow ivane obry odell oford omar "
    "onwy orra osen othe ovale udor uford ulby umber unne urst usk ylen"
)
_TRADES = _words(
    "Airways Analytics Archives Astronomy Bakery Bicycles Books Botanics Bridges "
    "Cartography Ceramics Climate Dental Dispatch Ferries Fisheries Foods Forestry "
    "Freight Games Gardens Genomics Glass Harbour Hydro Instruments Insurance "
    "Kitchens Labs Learning Legal Lighting Logistics Maps Media Mills Mobility Optics "
    "Orchards Outdoors Paper Pharmacy Power Press Radio Rail Robotics Seeds Shipping "
    "Signals Software Solar Sports Studios Supply Surveys Telecom Textiles Theatre "
    "Tickets Timber Tools Toys Transit Travel Vineyards Water Weather Weaving Works"
)

# Coprime to the number of names, so that the walk visits each once; near the golden
# section of it, so that neighbours in the walk have no part in common.
_STEP = 69_221


@dataclass(frozen=True, slots=True)
class Company:
    """An invented company; `id` is what the counters call it."""

    id: TenantId
    name: str


def capacity() -> int:
    """Return how many names there are."""
    return len(_HEADS) * len(_TAILS) * len(_TRADES)


def companies(seed: int) -> Iterator[Company]:
    """Yield invented companies in an order that `seed` decides, without repeats."""
    total = capacity()
    position = random.Random(f"{seed}:names").randrange(total)
    for _ in range(total):
        yield _company(position)
        position = (position + _STEP) % total


def slug(name: str) -> TenantId:
    """Return `name` as the lower-case ASCII word with dashes that URLs like."""
    return TenantId(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))


def _company(position: int) -> Company:
    rest, trade = divmod(position, len(_TRADES))
    head, tail = divmod(rest, len(_TAILS))
    name = f"{_HEADS[head]}{_TAILS[tail]} {_TRADES[trade]}"
    return Company(slug(name), name)
