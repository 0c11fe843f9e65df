"""A context: one named environment with its servers, resources, plans and rules.

Everything here is resolved: no file, no environment and no secret's source is left
to be looked at. `meterdeck.core.settings` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from meterdeck.core.errors import ConfigError, NotFound, ReadOnly
from meterdeck.core.model.alert_rules import AlertRule
from meterdeck.core.model.catalogue import NO_CATALOGUE, Catalogue
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.model.limit_rules import PLAIN, LimitRule
from meterdeck.core.model.request_rules import USUAL_RULES, Changes, RequestOptions
from meterdeck.core.model.secret import Secret as Secret  # noqa: PLC0414  # part of it
from meterdeck.core.model.text import visible
from meterdeck.core.model.usage import (
    NO_LIMIT,
    Limit,
    LimitSource,
    Plan,
    PlanName,
    Resource,
    ResourceName,
    Tenant,
)

STRIPE_API = "https://api.stripe.com"
STRIPE_METER_EVENTS = "https://meter-events.stripe.com"
_NO_PLAN = PlanName("")


class Mode(StrEnum):
    """What is at stake in a context."""

    LIVE = "live"
    TEST = "test"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SentinelOptions:
    """The Sentinels that know which server is the master.

    Attributes:
        master_name: What they call it.
        username: ACL user of the Sentinels; empty for the default one.
    """

    sentinels: tuple[HostPort, ...]
    master_name: str
    username: str = ""
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """A Redis Cluster: the nodes besides the URL's to ask for all the others."""

    nodes: tuple[HostPort, ...] = ()


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """How Redis is reached and how keys are named in it.

    Attributes:
        url: redis://, rediss:// or unix://, without user and password. With Sentinels
            it has no host; of a cluster it is one node.
        username: ACL user; empty for the default one.
        timeout_s: Deadline of connecting and of one answer, in seconds.
        retention_days: How long a counter is kept after its period's end.
        sentinel: None where the URL's server is the one.
        cluster: None where Redis is no cluster.
        tls_verify: Whether a server's certificate must be of its name and of an
            authority that is trusted; False in no live context.
        tls_key_password: Opens the client's own key, the URL's ssl_keyfile.

    Raises:
        ConfigError: A cluster and keys that are not tagged.
    """

    url: str
    username: str = ""
    password: Secret | None = None
    timeout_s: float = 2.0
    layout: KeyLayout = field(default_factory=KeyLayout)
    retention_days: int = 35
    sentinel: SentinelOptions | None = None
    cluster: ClusterOptions | None = None
    tls_verify: bool = True
    tls_key_password: Secret | None = None

    def __post_init__(self) -> None:
        if self.cluster is not None and not self.layout.tagged:
            raise ConfigError(
                "redis.tagged",
                "must be true with cluster = true: a script changes several keys of"
                " one tenant, and a cluster allows that only where they share a slot",
                "set tagged = true, and name the counters usage:{acme}:… with literal"
                " braces in the application, too",
            )


@dataclass(frozen=True, slots=True)
class StripeOptions:
    """How Stripe is reached.

    Attributes:
        api_base: Address of the API, without a slash at the end.
        meter_events_base: Address of the high-rate meter event stream; Stripe's own
            where it is not given, or `api_base` when that is not Stripe's.
        poll_s: Seconds between two looks at what changed in Stripe.
        timeout_s: Deadline of one request, in seconds.
        tenant_metadata_key: Key of a customer's metadata that holds the tenant's id.
    """

    api_key: Secret
    api_base: str = STRIPE_API
    meter_events_base: str = ""
    poll_s: float = 5.0
    timeout_s: float = 20.0
    tenant_metadata_key: str = "tenant"

    def __post_init__(self) -> None:
        if not self.meter_events_base:
            own = self.api_base == STRIPE_API
            base = STRIPE_METER_EVENTS if own else self.api_base
            object.__setattr__(self, "meter_events_base", base)


def unverified(context: Context) -> str:
    """Return the sentence to say of Redis's certificate; "" where it is verified."""
    if context.redis.tls_verify:
        return ""
    return "Redis's certificate is NOT verified (redis.tls_verify = false)"


def check_addresses(options: StripeOptions, mode: Mode) -> None:
    """Refuse to send a live key anywhere but to Stripe.

    Raises:
        ConfigError: An address is not Stripe's, and the mode is live.
    """
    given = {
        "api_base": (options.api_base, STRIPE_API),
        "meter_events_base": (options.meter_events_base, STRIPE_METER_EVENTS),
    }
    for name, (base, own) in given.items():
        if mode is Mode.LIVE and base != own:
            raise ConfigError(
                f"stripe.{name}",
                "is not Stripe, and the context is live",
                f"leave it out: a live key goes to {own} only",
            )


@dataclass(frozen=True, slots=True)
class PlanRule:
    """How a subscription is matched to a plan: any of its prices fits any of these.

    A subscription's own metadata `plan` wins over every rule.
    """

    plan: PlanName
    lookup_keys: frozenset[str] = frozenset()
    prices: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()

    def fits(self, lookup_key: str, price_id: str, product_id: str) -> bool:
        """Tell whether a price stands for the plan."""
        return (
            lookup_key in self.lookup_keys
            or price_id in self.prices
            or product_id in self.products
        )


@dataclass(frozen=True, slots=True)
class LibraryOptions:
    """How an application's calls behave while Redis is slow or away.

    Attributes:
        call_timeout_s: Deadline of one call, in seconds.
        circuit_failures: Calls in a row without an answer after which Redis is left
            alone.
        circuit_pause_s: Seconds between two looks whether it is back.
        give_back_s: Seconds, about, between two looks for reservations that expired; 0
            for none.
        spool_dir: Where usage is kept that Redis could not be told; None for the
            context's folder in this user's state.
        spool_bytes: The most that one process keeps there.
    """

    call_timeout_s: float = 0.5
    circuit_failures: int = 5
    circuit_pause_s: float = 1.0
    give_back_s: float = 30.0
    spool_dir: Path | None = None
    spool_bytes: int = 64 * 2**20


class SinkKind(StrEnum):
    """Which of Stripe's interfaces takes the meter events."""

    V1 = "v1"
    """One event a request; what is wrong with it is said at once, mostly."""
    V2_STREAM = "v2_stream"
    """A hundred a request; what is wrong with one is reported later. Live mode only."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How the worker delivers.

    Attributes:
        events_per_second: The most that all requests of one worker carry in a second;
            0: what Stripe takes of this sink in this mode.
        at_once: Requests in flight.
        takeover_s: Seconds after which the event of a worker that is silent is taken
            over by another.
        replica_wait_s: Where the server has replicas, an event is sent only after one
            of them has its claim; so long is waited for that. 0: not waited for.
        allow_volatile: Deliver although Redis keeps no append-only file.
        log_lines: Lines the delivery log is cut to.
        close_guard_h: Hours before its end from which a period is watched.
        reconcile_m: Minutes between two reconciliations; 0: none.
        metrics_port: Port of the Prometheus endpoint; 0: none.
        webhook_port: Port on which Stripe's signed notifications arrive; 0: none.
    """

    sink: SinkKind = SinkKind.V1
    events_per_second: int = 0
    at_once: int = 10
    takeover_s: float = 30.0
    replica_wait_s: float = 1.0
    allow_volatile: bool = False
    log_lines: int = 10_000
    close_guard_h: int = 24
    reconcile_m: int = 60
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    webhook_host: str = "127.0.0.1"
    webhook_port: int = 0
    webhook_secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """How the console is worked with; both are pairs, in the configuration's order.

    Attributes:
        keys: Ids of actions with the keys they have instead of their own.
        aliases: Names of commands with the lines that they stand for.
    """

    keys: tuple[tuple[str, str], ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AlertWebhook:
    """Who is told of alerts.

    Attributes:
        url: May be all that keeps others from posting there.
        host: The part of it that may be shown.
        secret: What every request is signed with.
    """

    url: Secret
    host: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """When an alert fires, and who is told.

    Attributes:
        webhook: None where nobody is told, or where its secret was not fetched.
        timeout_s: Deadline of one attempt, in seconds.
        give_up_h: Hours after which nobody is tried any more.
    """

    rules: tuple[AlertRule, ...] = ()
    webhook: AlertWebhook | None = None
    timeout_s: float = 10.0
    give_up_h: int = 24


@dataclass(frozen=True, slots=True)
class Context:
    """One named environment, resolved.

    Attributes:
        stripe: None where the context has no Stripe: counters only.
        plan_rules: In the order of the configuration; the first that fits wins.
        default_plan: Plan of tenants whose own plan says nothing; empty for none.
        arm_minutes: Minutes for which the console is armed; 0: always armed.
        poll_s: Seconds between two looks at the counters on the screen.
        sweep_share: Share of a processor core the fleet's sweep may use, 0 to 1.
        override_needs_expiry: Whether an override without an expiry is refused.
        library: How the applications' own calls behave.
        delivery: How the worker delivers.
        catalogue: The meters, products and prices that are declared.
        console: How the console is worked with.
        alerts: When an alert fires, and who is told.
        changes: How operators' changes reach Redis.
        requests: What is held against changes by request.

    Raises:
        ConfigError: It is live, and certificates are not verified.
    """

    name: str
    mode: Mode
    read_only: bool
    redis: RedisOptions
    stripe: StripeOptions | None
    resources: tuple[Resource, ...]
    plans: Mapping[PlanName, Plan]
    plan_rules: tuple[PlanRule, ...] = ()
    default_plan: PlanName = _NO_PLAN
    poll_s: float = 1.0
    sweep_share: float = 0.10
    override_needs_expiry: bool = True
    arm_minutes: int = 15
    library: LibraryOptions = LibraryOptions()
    delivery: DeliveryOptions = DeliveryOptions()
    catalogue: Catalogue = NO_CATALOGUE
    console: ConsoleOptions = ConsoleOptions()
    alerts: AlertOptions = AlertOptions()
    changes: Changes = Changes.DIRECT
    requests: RequestOptions = USUAL_RULES

    def __post_init__(self) -> None:
        if self.mode is Mode.LIVE and not self.redis.tls_verify:
            raise ConfigError(
                "redis.tls_verify",
                "is false, and the context is live",
                "leave it out; ?ssl_ca_certs=FILE in the url names an authority"
                " of your own",
            )

    def check_writable(self) -> None:
        """Let whoever wants to change something go on, where that is allowed.

        Raises:
            ReadOnly: It is not.
        """
        if self.read_only:
            raise ReadOnly(f"context {self.name} is read-only; nothing was changed")

    def resource(self, name: str) -> Resource:
        """Return the configured resource called `name`.

        Raises:
            NotFound: There is none; the message names those there are.
        """
        for resource in self.resources:
            if resource.name == name:
                return resource
        known = ", ".join(resource.name for resource in self.resources) or "none"
        raise NotFound(
            f"context {self.name} has no resource {visible(name)}; it has: {known}"
        )

    def limit_of(self, tenant: Tenant, resource: ResourceName) -> Limit:
        """Return what `tenant` may use by its plan, else by the default plan.

        Overrides are not looked at: they live in Redis.
        """
        limit = tenant.plan_limit(resource)
        if limit.source is not LimitSource.NONE:
            return limit
        plan = self.plans.get(self.default_plan)
        if plan is not None and resource in plan.limits:
            return Limit(plan.limits[resource], LimitSource.DEFAULT)
        return NO_LIMIT

    def rule_of(self, tenant: Tenant, resource: str) -> LimitRule:
        """Return how the tenant's limit is enforced, as the scripts find it."""
        if not any(each.name == resource for each in self.resources):
            return PLAIN
        name = ResourceName(resource)
        default = self.default_rule(name)
        return PLAIN if default is None else tenant.rules.get(name, default)

    def default_rule(self, name: ResourceName) -> LimitRule | None:
        """Return how a limit without a plan's own rule is enforced.

        None where it is plain, and no plan says otherwise.
        """
        resource = self.resource(name)
        plans = self.plans.values()
        if resource.rule == PLAIN and not any(name in each.rules for each in plans):
            return None
        plan = self.plans.get(self.default_plan)
        return plan.rules.get(name, resource.rule) if plan else resource.rule
