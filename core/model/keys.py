"""Names of the keys in Redis: the public contract, in one place.

`{tenant}` in the template is replaced by the tenant's name. With `tagged` it keeps
its braces, so that on Redis Cluster every key of one tenant lies in one slot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.usage import CounterId, ResourceName, TenantId

DEFAULT_TEMPLATE = "usage:{tenant}:{resource}:{period}"
_FIELDS = ("{tenant}", "{resource}", "{period}")
_FIELD = re.compile(r"\{(?:tenant|resource|period)\}")
_PERIOD = r"(?P<period>[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?|now)"


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """How keys are named; names that are not UTF-8 survive as surrogate escapes."""

    template: str = DEFAULT_TEMPLATE
    prefix: str = "meterdeck:"
    tagged: bool = False
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in _FIELDS:
            if self.template.count(name) != 1:
                raise ConfigError(
                    "redis.key_template",
                    f"{self.template!r} must contain {name} exactly once",
                    f"the usual one is {DEFAULT_TEMPLATE}",
                )
        before = self.template.partition("{tenant}")[0]
        if self.tagged and "{" in before + self.prefix:
            raise ConfigError(
                "redis.key_template" if "{" in before else "redis.prefix",
                "has a brace before the tenant's, which would be the hash tag",
                "with tagged = true leave it out",
            )
        object.__setattr__(self, "_pattern", self._compile())

    def _compile(self) -> re.Pattern[str]:
        expression = re.escape(self.template)
        tenant = r"\{(?P<tenant>.+)\}" if self.tagged else r"(?P<tenant>.+)"
        for name, group in zip(
            _FIELDS, (tenant, r"(?P<resource>[^:]+)", _PERIOD), strict=True
        ):
            expression = expression.replace(re.escape(name), group)
        return re.compile(expression, re.DOTALL)

    def _tenant(self, tenant: str) -> str:
        return f"{{{tenant}}}" if self.tagged else tenant

    def counter(self, tenant: str, resource: str, period: str) -> bytes:
        """Name the counter of one tenant, resource and period label."""
        parts = dict(
            zip(_FIELDS, (self._tenant(tenant), resource, period), strict=True)
        )
        # One pass: a tenant may itself be called {resource}.
        return _encode(_FIELD.sub(lambda field: parts[field.group()], self.template))

    def parse_counter(self, key: bytes) -> CounterId | None:
        """Read a counter's key back; `None` for a key that is none of ours."""
        match = self._pattern.fullmatch(key.decode("utf-8", "surrogateescape"))
        if match is None:
            return None
        return CounterId(
            TenantId(match["tenant"]), ResourceName(match["resource"]), match["period"]
        )

    def counter_glob(self) -> bytes:
        """Return the SCAN pattern that matches every counter."""
        glob = re.sub(r"([*?\[\]\\^])", r"\\\1", self.template)
        for name in _FIELDS:
            tagged = self.tagged and name == "{tenant}"
            glob = glob.replace(name, "{*}" if tagged else "*")
        return _encode(glob)

    def _own(self, kind: str, *parts: str) -> bytes:
        return _encode(self.prefix + ":".join((kind, *parts)))

    def tenant(self, tenant: str) -> bytes:
        """Hash: the directory entry, with the plan's limits."""
        return self._own("tenant", self._tenant(tenant))

    def parse_tenant(self, key: bytes) -> bytes | None:
        """Read a directory entry's key back; `None` for a key that is none."""
        start, end = (b"{", b"}") if self.tagged else (b"", b"")
        before = _encode(f"{self.prefix}tenant:") + start
        name = key[len(before) : len(key) - len(end)]
        ours = key.startswith(before) and key.endswith(end) and bool(name)
        return name if ours else None

    def tenants(self) -> bytes:
        """Set: every tenant that has a directory entry."""
        return self._own("tenants")

    def contract(self) -> bytes:
        """Hash: the contract's version, and who may write."""
        return self._own("contract")

    def directory(self) -> bytes:
        """Hash: state of the directory (cursor of Stripe's events, last full read)."""
        return self._own("directory")

    def override(self, tenant: str, resource: str) -> bytes:
        """Hash: the override of one tenant and resource; expires by itself."""
        return self._own("override", self._tenant(tenant), resource)

    def overrides(self, tenant: str) -> bytes:
        """Hash: resource → id of its override, to list one tenant's overrides."""
        return self._own("overrides", self._tenant(tenant))

    def overridden(self) -> bytes:
        """Set: tenants that have or had an override."""
        return self._own("overridden")

    def billing(self, tenant: str, resource: str, period: str) -> bytes:
        """Hash: the billing record of one counter."""
        return self._own("billing", self._tenant(tenant), resource, period)

    def parse_billing(self, key: bytes) -> CounterId | None:
        """Read a billing record's key back; `None` for a key that is none."""
        name = key.decode("utf-8", "surrogateescape")
        start = f"{self.prefix}billing:"
        parts = name[len(start) :].rsplit(":", 2)
        if len(parts) != 3:
            return None
        tenant, resource, period = parts
        if self.tagged and tenant[:1] + tenant[-1:] == "{}":
            tenant = tenant[1:-1]
        if not tenant or self.billing(tenant, resource, period) != key:
            return None
        return CounterId(TenantId(tenant), ResourceName(resource), period)

    def audit(self, tenant: str) -> bytes:
        """Stream: the audit trail of one tenant, hash-chained."""
        return self._own("audit", self._tenant(tenant))

    def audit_glob(self) -> bytes:
        """Return the SCAN pattern that matches every audit trail."""
        prefix = re.sub(r"([*?\[\]\\^])", r"\\\1", self.prefix)
        return _encode(f"{prefix}audit:{self._tenant('*')}")

    def parse_audit(self, key: bytes) -> TenantId | None:
        """Read an audit trail's key back; `None` for a key that is none."""
        name = key.decode("utf-8", "surrogateescape")
        start = f"{self.prefix}audit:"
        tenant = name[len(start) :]
        if self.tagged and tenant[:1] + tenant[-1:] == "{}":
            tenant = tenant[1:-1]
        if not tenant or self.audit(tenant) != key:
            return None
        return TenantId(tenant)

    def undone(self, tenant: str) -> bytes:
        """Hash: audit entry's id → id of the entry that undid it."""
        return self._own("undone", self._tenant(tenant))

    def audited(self) -> bytes:
        """Sorted set: tenants by the time of their last audit entry."""
        return self._own("audited")

    def operation(self, tenant: str, operation_id: str) -> bytes:
        """String: the first answer to an operation id, for a day."""
        return self._own("op", self._tenant(tenant), operation_id)

    def call(self, tenant: str, call_id: str) -> bytes:
        """String: the first answer to a consume call's id, for minutes."""
        return self._own("call", self._tenant(tenant), call_id)

    def settled(self, tenant: str, call_id: str) -> bytes:
        """String: how a call was settled, for as long as its id is known."""
        return self._own("settled", self._tenant(tenant), call_id)

    def reserved(self, tenant: str, resource: str, period: str) -> bytes:
        """Sorted set: reservations of a counter, `id:units`, by their expiry in ms."""
        return self._own("reserved", self._tenant(tenant), resource, period)

    def reserving(self) -> bytes:
        """Sorted set: counters by the ms at which a reservation of theirs expires."""
        return self._own("reserving")

    def beyond(self, tenant: str, resource: str, period: str) -> bytes:
        """Hash: what is kept of a counter's use beyond its limit."""
        return self._own("beyond", self._tenant(tenant), resource, period)

    def members(self, tenant: str, resource: str, period: str) -> bytes:
        """HyperLogLog: the members that a counter of distinct ones has seen."""
        return self._own("members", self._tenant(tenant), resource, period)

    def trying(self, tenant: str, resource: str, period: str) -> bytes:
        """HyperLogLog: what a script tries members in; gone when it ends."""
        return self._own("trying", self._tenant(tenant), resource, period)

    def measured(self, tenant: str, resource: str) -> bytes:
        """String: when a gauge's newest reading was taken, in ms."""
        return self._own("measured", self._tenant(tenant), resource)

    def refusals(self, tenant: str) -> bytes:
        """Stream: the tenant's latest refusals, capped."""
        return self._own("refusals", self._tenant(tenant))

    def history(self, tenant: str, period: str) -> bytes:
        """Hash: resource → samples of its counter of that period."""
        return self._own("history", self._tenant(tenant), period)

    def sampled(self, month: str) -> bytes:
        """String: a bit for each hour of a month in which all counters were sampled."""
        return self._own("sampled", month)

    def changed(self) -> bytes:
        """Sorted set: tenants by the sequence number of their last change."""
        return self._own("changed")

    def sequence(self) -> bytes:
        """String: the last sequence number given to a change."""
        return self._own("seq")

    def unsettled(self) -> bytes:
        """Sorted set: billing records with an event in flight, by its lease's ms."""
        return self._own("unsettled")

    def letters(self, tenant: str) -> bytes:
        """Hash: identifier → an event that is dead, refused, ambiguous or cancelled."""
        return self._own("letters", self._tenant(tenant))

    def lettered(self) -> bytes:
        """Sorted set: tenants by the ms of their last letter."""
        return self._own("lettered")

    def queue(self, tenant: str) -> bytes:
        """Stream: events of `track()`; one for all tenants, or with tags one each."""
        return (
            self._own("queue", self._tenant(tenant))
            if self.tagged
            else (self._own("queue"))
        )

    def queued(self, tenant: str) -> bytes:
        """Hash: a queue's entry → since when it is sent, and to which customer."""
        return (
            self._own("queued", self._tenant(tenant))
            if self.tagged
            else (self._own("queued"))
        )

    def queues(self) -> bytes:
        """Set: tenants that have a queue of their own (only where keys are tagged)."""
        return self._own("queues")

    def alerts(self, tenant: str) -> bytes:
        """Hash: a tenant's alerts and their deliveries; of "" those of no tenant."""
        return self._own("alerts", self._tenant(tenant))

    def alerting(self) -> bytes:
        """Sorted set: tenants with an alert that is not over, by ms of their change."""
        return self._own("alerting")

    def alerted(self) -> bytes:
        """Sorted set: tenants by the ms of their alerts' last change."""
        return self._own("alerted")

    def alert_due(self) -> bytes:
        """Sorted set: tenants by the ms at which an alert of theirs is told next."""
        return self._own("alert_due")

    def reports(self) -> bytes:
        """Sorted set: Stripe's late error reports that were handled, by ms."""
        return self._own("reports")

    def workers(self) -> bytes:
        """Hash: id of a worker → what it says of itself, as JSON."""
        return self._own("workers")

    def syncing(self) -> bytes:
        """Hash: what all workers share: the cursor of changes, the last reconcile."""
        return self._own("syncing")

    def events(self) -> bytes:
        """Stream: the delivery log, newest meter events last, capped."""
        return self._own("events")

    def _of_people(self, kind: str, *parts: str) -> bytes:
        """Name a key of requests; of a cluster, all lie in one slot."""
        return self._own(kind, *(("{people}",) if self.tagged else ()), *parts)

    def requests(self, person: str) -> bytes:
        """List: what a person asks for; its name is who asks."""
        return self._of_people("requests", person)

    def answers(self, person: str) -> bytes:
        """Stream: what came of a person's requests, newest last, capped."""
        return self._of_people("answers", person)

    def pending(self) -> bytes:
        """Hash: `person:id` of a request → what is kept of it until it is answered."""
        return self._of_people("pending")

    def answered(self, person: str, request: str) -> bytes:
        """String: the last answer to a request, for a repeat of it."""
        return self._of_people("answered", person, request)


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
