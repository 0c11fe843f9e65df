"""Make resolved alert rules, and where alerts are told, of validated settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from meterdeck.core.errors import BadInput, ConfigError
from meterdeck.core.model.alert_audience import tenant_filter
from meterdeck.core.model.alert_rules import AlertRule, Measure
from meterdeck.core.model.context import AlertOptions, AlertWebhook, Mode, Secret
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.spans import parse_span
from meterdeck.core.model.usage import PlanName, ResourceName, TenantId
from meterdeck.core.settings.alert_schema import AlertSettings
from meterdeck.core.settings.endpoints import is_loopback
from meterdeck.core.settings.layers import Path_
from meterdeck.core.settings.nearest import suggest
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.schema import ContextSettings, Settings
from meterdeck.core.settings.secrets import Vault, secret_where

_MOST_PERCENT = 1_000
_SHORTEST_SECRET = 16


def resolve_alerts(
    settings: Settings,
    name: str,
    origins: Origins,
    vault: Vault,
    *,
    with_secret: bool,
) -> AlertOptions:
    """Resolve [alerts.*] and [contexts.NAME.alerts].

    Args:
        with_secret: Whether the webhook's secret is fetched; without it there is no
            webhook.

    Raises:
        ConfigError: Settings do not fit together, or a secret is missing.
    """
    chosen = settings.contexts[name]
    rules = _Rules(settings, origins)
    return AlertOptions(
        rules=tuple(rules.rule(each) for each in settings.alerts),
        webhook=_webhook(chosen, name, origins, vault) if with_secret else None,
        timeout_s=chosen.alerts.timeout_seconds,
        give_up_h=chosen.alerts.give_up_hours,
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    settings: Settings
    origins: Origins

    def rule(self, name: str) -> AlertRule:
        found = self.settings.alerts[name]
        self._check_name(name, "resource", found.resource, self.settings.resources)
        self._check_name(name, "plan", found.plan, self.settings.plans)
        self._check_filter(name, found.filter)
        measure, thresholds = self._thresholds(name, found)
        # The loudest last: of a time to the limit that is the shortest.
        backwards = measure is Measure.TIME_TO_LIMIT
        return AlertRule(
            name=name,
            measure=measure,
            thresholds=tuple(sorted(set(thresholds), reverse=backwards)),
            severity=found.severity,
            resource=ResourceName(found.resource) if found.resource else None,
            plan=PlanName(found.plan) if found.plan else None,
            tenant=TenantId(found.tenant) if found.tenant else None,
            filter=found.filter,
        )

    def _check_name(
        self, name: str, key: str, given: str, known: Mapping[str, object]
    ) -> None:
        if given and given not in known:
            where = self.origins.where(("alerts", name, key))
            raise ConfigError(where, f"no {key} {given!r}", suggest(given, known))

    def _check_filter(self, name: str, text: str) -> None:
        try:
            tenant_filter(text)
        except BadInput as error:
            where = self.origins.where(("alerts", name, "filter"))
            raise ConfigError(where, str(error)) from error

    def _thresholds(self, name: str, found: AlertSettings) -> tuple[Measure, list[int]]:
        texts: tuple[str, ...] = getattr(found, found.measure)
        match found.measure:
            case "percent":
                return Measure.PERCENT, self._read(name, found, texts, _percent)
            case "time_to_limit":
                return Measure.TIME_TO_LIMIT, self._read(name, found, texts, parse_span)
            case "lag":
                return Measure.LAG, self._read(name, found, texts, parse_span)
            case "drift" if all(each.rstrip().endswith("%") for each in texts):
                bare = tuple(each.rstrip().removesuffix("%").rstrip() for each in texts)
                return Measure.DRIFT_PERCENT, self._read(name, found, bare, _percent)
            case measure:
                scale = self._scale(name, found)
                units = self._read(name, found, texts, lambda x: _units(x, scale))
                return Measure(measure), units

    def _scale(self, name: str, found: AlertSettings) -> int:
        if found.resource:
            return self.settings.resources[found.resource].scale
        where = self.origins.where(("alerts", name, found.measure))
        problem = "units are a resource's own, and none is named"
        raise ConfigError(where, problem, 'say which: resource = "…"')

    def _read(
        self,
        name: str,
        found: AlertSettings,
        texts: tuple[str, ...],
        read: Callable[[str], int],
    ) -> list[int]:
        try:
            return [read(text) for text in texts]
        except BadInput as error:
            where = self.origins.where(("alerts", name, found.measure))
            raise ConfigError(where, str(error)) from error


def _percent(text: str) -> int:
    value = parse_quantity(text)
    if not 1 <= value <= _MOST_PERCENT:
        raise BadInput(f"{text!r} is not a percentage; write 1 to {_MOST_PERCENT:,}")
    return value


def _units(text: str, scale: int) -> int:
    value = parse_quantity(text, scale)
    if not value:
        raise BadInput(f"{text!r} would always hold; write more than 0")
    return value


def _webhook(
    chosen: ContextSettings, name: str, origins: Origins, vault: Vault
) -> AlertWebhook | None:
    found, path = chosen.alerts, ("contexts", name, "alerts")
    if not found.webhook_url:
        return None
    host = check_webhook(found.webhook_url, chosen.mode, origins, path)
    source = found.webhook_secret
    assert source is not None  # the schema wants both
    where = secret_where(origins, (*path, "webhook_secret"))
    secret = vault.fetch(source, where)
    if len(secret.reveal()) < _SHORTEST_SECRET:
        problem = f"has fewer than {_SHORTEST_SECRET} characters, and could be guessed"
        raise ConfigError(where, problem, "make one: openssl rand -hex 32")
    return AlertWebhook(Secret(found.webhook_url), host, secret)


def check_webhook(url: str, mode: Mode, origins: Origins, path: Path_) -> str:
    """Return the host that alerts go to.

    Raises:
        ConfigError: Not an address, or what it says could be read on the way; the URL,
            which may hold a secret, is not quoted.
    """
    where, example = origins.where((*path, "webhook_url")), "https://example.com/alerts"
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        raise ConfigError(where, "is not an address", f"write {example}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(where, "is not an address", f"write it like {example}")
    if not url.isprintable() or " " in url or parts.fragment:
        raise ConfigError(where, "is not an address", f"write it like {example}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(where, "must not hold a user or password")
    plain = parts.scheme == "http"
    if plain and mode is Mode.LIVE and not is_loopback(parts.hostname):
        problem = "would send alerts unencrypted, and the context is live"
        raise ConfigError(where, problem, "use https://")
    return parts.hostname
