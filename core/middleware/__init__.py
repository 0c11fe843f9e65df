"""ASGI middleware: usage of an HTTP application, counted and limited.

Works with Starlette, FastAPI and any other ASGI application; imports none of them.
"""

from meterdeck.core.middleware.charging import CountsUsage, GivesBack
from meterdeck.core.middleware.exchange import Exchange
from meterdeck.core.middleware.sources import (
    by_route,
    call_id_from_header,
    from_header,
    number_from_answer,
    number_from_header,
)
from meterdeck.core.middleware.tally import Tally
from meterdeck.core.middleware.usage_middleware import HEALTH, UsageMiddleware

__all__ = [
    "HEALTH",
    "CountsUsage",
    "Exchange",
    "GivesBack",
    "Tally",
    "UsageMiddleware",
    "by_route",
    "call_id_from_header",
    "from_header",
    "number_from_answer",
    "number_from_header",
]
