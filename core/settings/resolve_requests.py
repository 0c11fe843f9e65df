"""Make what is held against requests of validated settings."""

from __future__ import annotations

from meterdeck.core.errors import BadInput, ConfigError
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.request_rules import Changes, RequestOptions
from meterdeck.core.settings.nearest import suggest
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.schema import Settings


def resolve_requests(settings: Settings, name: str, origins: Origins) -> RequestOptions:
    """Resolve [contexts.NAME.requests].

    Raises:
        ConfigError: Something does not fit together.
    """
    chosen = settings.contexts[name]
    found = chosen.requests
    if chosen.changes is Changes.REQUEST and not chosen.redis.username:
        where = origins.where(("contexts", name, "redis", "username"))
        problem = 'is missing, and with changes = "request" it says who asks'
        raise ConfigError(where, problem, "name the Redis user of each person")
    percent, money = found.approve_above_percent, found.approve_above_money
    return RequestOptions(
        people=tuple(found.people.items()),
        above_percent=None if percent == "never" else percent,
        above_units=_units(settings, name, origins),
        above_money=None if money == "never" else money,
        unlimited=found.approve_unlimited,
        bulk_above=found.approve_bulk_above,
        expire_h=found.approval_hours,
        wait_s=found.wait_seconds,
    )


def _units(
    settings: Settings, name: str, origins: Origins
) -> tuple[tuple[str, int], ...]:
    path = ("contexts", name, "requests", "approve_above_units")
    units = []
    for resource, text in settings.contexts[name].requests.approve_above_units.items():
        where = origins.where((*path, resource))
        known = settings.resources.get(resource)
        if known is None:
            near = suggest(resource, settings.resources)
            raise ConfigError(where, f"there is no resource {resource!r}", near)
        try:
            units.append((resource, parse_quantity(text, known.scale)))
        except BadInput as error:
            raise ConfigError(where, str(error)) from error
    return tuple(units)
