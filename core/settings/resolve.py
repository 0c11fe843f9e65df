"""Make a resolved `Context` of validated settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meterdeck.core.errors import BadInput, ConfigError
from meterdeck.core.model.context import (
    ConsoleOptions,
    Context,
    DeliveryOptions,
    LibraryOptions,
    Mode,
    PlanRule,
    StripeOptions,
)
from meterdeck.core.model.declared import Declared
from meterdeck.core.model.limit_rules import PLAIN, Enforcement, LimitRule
from meterdeck.core.model.periods import PeriodKind
from meterdeck.core.model.quantity import parse_quantity
from meterdeck.core.model.usage import Plan, PlanName, Resource, ResourceName
from meterdeck.core.settings.endpoints import check_key, stripe_base
from meterdeck.core.settings.nearest import suggest
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.resolve_alerts import resolve_alerts
from meterdeck.core.settings.resolve_catalogue import resolve_catalogue
from meterdeck.core.settings.resolve_redis import resolve_redis
from meterdeck.core.settings.resolve_requests import resolve_requests
from meterdeck.core.settings.schema import (
    ContextSettings,
    DeliverySettings,
    LibrarySettings,
    PlanLimitSettings,
    RuleSettings,
    Settings,
    StripeSettings,
)
from meterdeck.core.settings.secrets import Vault, secret_where

UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class Resolver:
    """What resolving needs: the settings, their origins, and the way to secrets."""

    settings: Settings
    origins: Origins
    vault: Vault

    def context(
        self, name: str, *, with_stripe: bool = True, with_key: bool = True
    ) -> Context:
        """Resolve one context; the secrets of no other are touched.

        Raises:
            ConfigError: Something does not fit together, or a secret is missing.
        """
        chosen = self.settings.contexts[name]
        plans = self.plans()
        default = chosen.default_plan
        if default and default not in plans:
            where = self.origins.where(("contexts", name, "default_plan"))
            raise ConfigError(where, f"no plan {default!r}", suggest(default, plans))
        if chosen.mode is Mode.LIVE and not chosen.redis.tls_verify:
            where = self.origins.where(("contexts", name, "redis", "tls_verify"))
            fix = "leave it out; ?ssl_ca_certs=FILE in url names an authority of yours"
            raise ConfigError(where, "is false, and the context is live", fix)
        return Context(
            name=name,
            mode=chosen.mode,
            read_only=chosen.read_only,
            arm_minutes=chosen.arm_minutes,
            redis=resolve_redis(name, chosen.redis, self.origins, self.vault),
            stripe=self._stripe(name, chosen, with_key) if with_stripe else None,
            resources=self.resources(),
            plans=plans,
            plan_rules=self._rules(),
            default_plan=PlanName(default),
            poll_s=chosen.poll_seconds,
            sweep_share=chosen.sweep_share,
            override_needs_expiry=chosen.override_needs_expiry,
            library=self._library(name, chosen.library),
            delivery=self._delivery(name, chosen.delivery, with_stripe),
            catalogue=resolve_catalogue(self.settings, self.origins),
            console=ConsoleOptions(
                tuple(self.settings.console.keys.items()),
                tuple(self.settings.console.aliases.items()),
            ),
            alerts=resolve_alerts(
                self.settings,
                name,
                self.origins,
                self.vault,
                with_secret=with_stripe,
            ),
            changes=chosen.changes,
            requests=resolve_requests(self.settings, name, self.origins),
        )

    def declared(self) -> Declared:
        """Return what Stripe has to fit; it needs no context and no secret.

        Raises:
            ConfigError: Something does not fit together.
        """
        catalogue = resolve_catalogue(self.settings, self.origins)
        return Declared(catalogue, self.resources(), self._rules())

    def resources(self) -> tuple[Resource, ...]:
        """Return the resources in the order of the file."""
        return tuple(
            Resource(
                name=ResourceName(name),
                label=found.label or name,
                unit=found.unit,
                scale=found.scale,
                meter=found.meter,
                period=PeriodKind(found.period),
                on_fault=found.on_fault,
                rule=_rule(found),
                kind=found.kind,
                billed_by=found.billed_by,
                flush_s=found.flush_seconds,
                negative_events=found.negative_events,
            )
            for name, found in self.settings.resources.items()
        )

    def plans(self) -> Mapping[PlanName, Plan]:
        """Return the plans, limits in the smallest unit of each resource.

        Raises:
            ConfigError: A limit of no resource, or that is not a quantity.
        """
        return {
            PlanName(name): Plan(
                name=PlanName(name),
                label=found.label or name,
                limits={
                    ResourceName(resource): self._limit(name, resource, each.limit)
                    for resource, each in found.limits.items()
                },
                rules={
                    ResourceName(resource): self._plan_rule(resource, each)
                    for resource, each in found.limits.items()
                    if self._ruled(resource)
                },
            )
            for name, found in self.settings.plans.items()
        }

    def _limit(self, plan: str, resource: str, text: str) -> int | None:
        where = self.origins.where(("plans", plan, "limits", resource))
        found = self.settings.resources.get(resource)
        if found is None:
            near = suggest(resource, self.settings.resources)
            raise ConfigError(where, f"there is no resource {resource!r}", near)
        if text == UNLIMITED:
            return None
        try:
            return parse_quantity(text, found.scale)
        except BadInput as error:
            fix = f'write "{UNLIMITED}" for no limit'
            raise ConfigError(where, str(error), fix) from error

    def _ruled(self, resource: str) -> bool:
        """Tell whether limits of a resource are not all enforced plainly."""
        plans = self.settings.plans.values()
        limits = (each.limits.get(resource) for each in plans)
        return _rule(self.settings.resources[resource]) != PLAIN or any(
            each is not None and each.given for each in limits
        )

    def _plan_rule(self, resource: str, found: PlanLimitSettings) -> LimitRule:
        """Return the plan's own rule, which is whole, or the resource's."""
        return _rule(found if found.given else self.settings.resources[resource])

    def _rules(self) -> tuple[PlanRule, ...]:
        return tuple(
            PlanRule(
                plan=PlanName(name),
                lookup_keys=frozenset(found.lookup_keys),
                prices=frozenset(found.prices),
                products=frozenset(found.products),
            )
            for name, found in self.settings.plans.items()
        )

    def _library(self, name: str, found: LibrarySettings) -> LibraryOptions:
        folder: Path | None = None
        if found.spool_directory:
            folder = Path(found.spool_directory).expanduser()
            if not folder.is_absolute():
                path = ("contexts", name, "library", "spool_directory")
                where = self.origins.where(path)
                raise ConfigError(where, "is not an absolute path", "begin it with /")
        return LibraryOptions(
            call_timeout_s=found.call_timeout_seconds,
            circuit_failures=found.circuit_failures,
            circuit_pause_s=found.circuit_pause_seconds,
            give_back_s=found.give_back_seconds,
            spool_dir=folder,
            spool_bytes=found.spool_megabytes * 2**20,
        )

    def _delivery(
        self, name: str, found: DeliverySettings, with_stripe: bool
    ) -> DeliveryOptions:
        path = ("contexts", name, "delivery", "webhook_secret")
        secret = None
        if found.webhook_secret is not None and with_stripe:
            where = secret_where(self.origins, path)
            secret = self.vault.fetch(found.webhook_secret, where)
        return DeliveryOptions(
            sink=found.sink,
            events_per_second=found.events_per_second,
            at_once=found.at_once,
            takeover_s=found.takeover_seconds,
            replica_wait_s=found.replica_wait_seconds,
            allow_volatile=found.allow_volatile_redis,
            log_lines=found.log_lines,
            close_guard_h=found.close_guard_hours,
            reconcile_m=found.reconcile_minutes,
            metrics_host=found.metrics_host,
            metrics_port=found.metrics_port,
            webhook_host=found.webhook_host,
            webhook_port=found.webhook_port,
            webhook_secret=secret,
        )

    def _stripe(
        self, name: str, chosen: ContextSettings, with_key: bool
    ) -> StripeOptions | None:
        found = chosen.stripe
        if found is None:
            return None
        path = ("contexts", name, "stripe")
        where = secret_where(self.origins, (*path, "api_key"))
        base_where = self.origins.where((*path, "api_base"))
        api_base = stripe_base(found.api_base, chosen.mode, base_where)
        meter_events_base = self._meter_events(path, found, chosen.mode)
        if not with_key:
            return None
        api_key = self.vault.fetch(found.api_key, where)
        check_key(api_key, chosen.mode, where)
        return StripeOptions(
            api_key=api_key,
            api_base=api_base,
            meter_events_base=meter_events_base,
            poll_s=found.poll_seconds,
            timeout_s=found.timeout_seconds,
            tenant_metadata_key=found.tenant_metadata_key,
        )

    def _meter_events(
        self, path: tuple[str, ...], found: StripeSettings, mode: Mode
    ) -> str:
        if not found.meter_events_base:
            return ""
        where = self.origins.where((*path, "meter_events_base"))
        return stripe_base(found.meter_events_base, mode, where)


def _rule(found: RuleSettings) -> LimitRule:
    return LimitRule(
        found.enforcement or Enforcement.HARD,
        found.grace_percent or None,
        found.grace_hours or None,
    )
