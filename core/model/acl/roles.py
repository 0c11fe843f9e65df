"""Roles: who runs which scripts, and what else each needs of Redis.

To add a role, or a variant of one, add it to `Role` and to `ROLES`; everything else
(rules, preview, the documentation's tables, the tests of every script) follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meterdeck.core.model.acl.key_family import KeyFamily
from meterdeck.core.model.acl.needs import Needs
from meterdeck.core.model.acl.script_needs import script_needs


class Role(StrEnum):
    """What a Redis user is for."""

    APPLICATION = "application"
    WORKER = "worker"
    VIEWER = "viewer"
    SUPPORT = "support"
    LEAD = "lead"
    REQUESTER = "requester"
    CLERK = "clerk"
    DEPLOY = "deploy"


_NONE = Needs()


@dataclass(frozen=True, slots=True)
class RoleRights:
    """What a role may do.

    Attributes:
        may: In one sentence, what it is for.
        needs: What its users are given.
        tagged: What they are given besides where keys are tagged: indexes that no
            script can write there are written by themselves.
        person: Held by people. They run known scripts by their digests and no others:
            a script of one's own can hold up the server for everybody.
        asks: Whether its users may append to a list of requests of their own: the one
            that is called as the user is.
    """

    may: str
    needs: Needs
    tagged: Needs = _NONE
    person: bool = True
    asks: bool = False


CONNECTION = Needs.of(keyless="ping client|setinfo acl|whoami")
"""What every user needs to connect, and to be told who it is."""

CLUSTER = Needs.of(keyless="cluster|slots command asking")
"""What every user of a cluster needs besides, to find the nodes."""

_EVERYTHING = " ".join(KeyFamily)
_LOOK = Needs.of(
    keyless="time info dbsize scan slowlog|len latency|latest script|exists",
    reads="get mget type exists pttl hget hmget hgetall hlen hexists smembers scard"
    " smismember srandmember zrange zrevrange zrangebyscore zcard zcount zscore xlen"
    " xrange xrevrange xinfo|stream xpending llen lrange",
    read=_EVERYTHING,
)
_COUNT = script_needs(
    "consume set_gauge count_unique track settle give_back replay"
) | Needs.of(
    keyless="time",
    reads="get type pttl hget hmget hgetall zrange zrangebyscore",
    read="counter tenant override reserved reserving contract",
)
_COUNT_TAGGED = Needs.of(writes={"queues": "sadd", "reserving": "zadd zrem"})
_DELIVER = (
    _LOOK
    | script_needs(
        "claim settle_delivery confirm settle_queued tidy_consumers take_turn"
        " refuse_late refuse_queued hold_billing keep_samples write_alerts carry"
        " replace_entry forget_unsettled"
    )
    | Needs.of(
        keyless="wait multi exec script|load",
        writes={
            "tenant": "del",
            "tenants": "sadd srem",
            "directory": "hset hincrby",
            "syncing": "hset",
            "workers": "hset hdel",
            "reports": "zadd zremrangebyscore",
            "sampled": "setbit pexpireat",
            "counter": "pexpireat",
            "members": "pexpireat",
            "billing": "pexpireat",
            "queue": "xgroup|create xreadgroup xautoclaim",
            "queued": "hsetnx hdel",
            "alerted": "zremrangebyscore",
            "alerts": "hdel",
            "events": "xadd",
        },
    )
)
_DELIVER_TAGGED = Needs.of(
    writes={
        "unsettled": "zadd",
        "lettered": "zadd",
        "alerting": "zadd zrem",
        "alerted": "zadd",
        "alert_due": "zadd zrem",
        "audited": "zadd",
    }
)
_SERVE = script_needs(
    "next_request settle_request adjust set_override clear_override"
    " replay_letter requeue_letter repair_billing"
) | Needs.of(writes={"events": "xadd"})
_CHANGE = _LOOK | script_needs("adjust set_override clear_override write_alerts")
_ALERTS_TAGGED = Needs.of(
    writes={"alerting": "zadd zrem", "alerted": "zadd", "alert_due": "zadd zrem"}
)
_CHANGE_TAGGED = _ALERTS_TAGGED | Needs.of(
    writes={"overridden": "sadd", "audited": "zadd"}
)
_BILL = script_needs(
    "replay_letter cancel_event repair_billing requeue_letter hold_billing"
)
_BILL_TAGGED = Needs.of(
    writes={"queues": "sadd", "lettered": "zadd", "audited": "zadd"}
)
_INSTALL = Needs.of(
    keyless="info time acl|cat acl|deluser acl|dryrun acl|genpass acl|getuser acl|list"
    " acl|load acl|log acl|save acl|setuser acl|users"
    " script|exists script|load function|list function|load scan",
    reads="type hmget hgetall zscore",
    read="contract audit audited workers",
    writes={"contract": "hset", "audited": "zadd"},
)

ROLES: Mapping[Role, RoleRights] = {
    Role.APPLICATION: RoleRights(
        "counts through the library, and reads what is used", _COUNT, _COUNT_TAGGED,
        person=False,
    ),
    Role.WORKER: RoleRights(
        "runs `meterdeck sync`: bills, reads customers, alerts, takes samples",
        _DELIVER, _DELIVER_TAGGED, person=False,
    ),
    Role.VIEWER: RoleRights("looks at everything, and changes nothing", _LOOK),
    Role.SUPPORT: RoleRights(
        "changes counters and overrides, undoes that, and sees to alerts",
        _CHANGE, _CHANGE_TAGGED,
    ),
    Role.LEAD: RoleRights(
        "decides besides about what is billed: dead letters, cancelled events,"
        " repairs, counters held back",
        _CHANGE | _BILL, _CHANGE_TAGGED | _BILL_TAGGED,
    ),
    Role.REQUESTER: RoleRights(
        "asks for changes, and approves others', where changes are by request; sees to"
        " alerts: support and leads alike, the worker knows who is which",
        _LOOK | script_needs("write_alerts"), _ALERTS_TAGGED, asks=True,
    ),
    Role.CLERK: RoleRights(
        "runs `meterdeck requests serve`: makes the changes that are asked for",
        _LOOK | _SERVE,
        Needs.of(writes={"overridden": "sadd"}) | _BILL_TAGGED,
    ),
    Role.DEPLOY: RoleRights(
        "loads scripts and functions, makes users, and takes the database to a newer"
        " contract", _INSTALL,
    ),
}  # fmt: skip


def needs_of(role: Role, *, tagged: bool, cluster: bool, database: int = 0) -> Needs:
    """Return everything that a role needs with one way of naming keys.

    Args:
        tagged: Whether tenants are written with braces.
        cluster: Whether the server is a node of a cluster.
        database: The number of the database; another than 0 has to be chosen.
    """
    rights = ROLES[role]
    needs = CONNECTION | rights.needs
    if tagged:
        needs |= rights.tagged
    if cluster:
        needs |= CLUSTER
    if database:
        needs |= Needs.of(keyless="select")
    return needs
