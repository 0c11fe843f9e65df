"""What each Lua script runs, and on which of its keys.

Redis checks every command of a script against the user who called it. A test compares
this table with the scripts' texts, and real users on a real server run every script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from meterdeck.core.model.acl.needs import Needs, families

_ALERTS = dict.fromkeys(("alerting", "alerted", "alert_due"), "zadd zrem")
_CHANGED = {"sequence": "incr", "changed": "zadd"}
_CHANGED_BY_MANY = {"sequence": "incrby", "changed": "zadd"}
_TRAIL = {"audit": "xadd", "operation": "set", "audited": "zadd", **_CHANGED}
_UNDO = {"undone": "hset"}
_REFUSALS = {"refusals": "xadd pexpire"}
_BEYOND = {"beyond": "hset hincrby pexpireat"}
_COUNTED = {"counter": "incrby pexpireat"}
_SIGNED = {
    **_TRAIL,
    "billing": "hset hdel",
    "letters": "hset hdel",
    "lettered": "zadd zrem",
}


def _script(name: str, keys: str, reads: str, writes: Mapping[str, str]) -> Needs:
    declared = families(keys).union(*map(families, writes))
    needs = Needs.of(keyless="time", reads=f"{reads} type get", writes=writes)
    return replace(needs, read=declared, declared=declared, scripts=frozenset({name}))


_NEEDS = (
    _script(
        "consume",
        "tenant override",
        "mget exists hmget zrangebyscore xrevrange",
        {
            **_COUNTED,
            **_CHANGED_BY_MANY,
            **_REFUSALS,
            **_BEYOND,
            "reserved": "zadd zremrangebyscore pexpireat",
            "reserving": "zadd",
            "call": "set",
        },
    ),
    _script(
        "set_gauge",
        "tenant override",
        "hmget zrangebyscore",
        {
            **_COUNTED,
            **_CHANGED,
            "beyond": "hset hdel",
            "reserved": "zremrangebyscore",
            "measured": "set",
            "call": "set",
        },
    ),
    _script(
        "count_unique",
        "tenant override",
        "hmget exists xrevrange",
        {
            **_COUNTED,
            **_CHANGED,
            **_REFUSALS,
            **_BEYOND,
            "members trying": "pfadd pfcount unlink",
            "members": "set pexpireat",
            "call": "set",
        },
    ),
    _script(
        "track",
        "tenant override",
        "hmget xlen xrevrange",
        {
            **_COUNTED,
            **_CHANGED,
            **_REFUSALS,
            **_BEYOND,
            "queue": "xadd",
            "call": "set",
        },
    ),
    _script(
        "settle",
        "call",
        "hget zscore pttl",
        {
            **_COUNTED,
            **_CHANGED,
            "beyond": "hincrby",
            "reserved": "zrem",
            "settled": "set",
        },
    ),
    _script(
        "give_back",
        "",
        "zrange zrangebyscore",
        {
            "counter": "incrby",
            **_CHANGED,
            "reserved": "zremrangebyscore",
            "reserving": "zadd zrem",
        },
    ),
    _script(
        "replay",
        "tenant",
        "hmget zscore exists",
        {
            **_COUNTED,
            **_CHANGED_BY_MANY,
            "reserved": "zadd pexpireat",
            "call": "set pexpireat",
            "settled": "pexpireat",
        },
    ),
    _script(
        "adjust",
        "tenant",
        "hget hmget xinfo|stream xrange zrangebyscore",
        {
            **_COUNTED,
            **_TRAIL,
            **_UNDO,
            "billing": "hincrby pexpireat",
            "reserved": "zremrangebyscore",
        },
    ),
    _script(
        "set_override",
        "",
        "hget hmget xinfo|stream xrange",
        {
            **_TRAIL,
            **_UNDO,
            "override": "hset pexpireat persist",
            "overrides": "hset",
            "overridden": "sadd",
        },
    ),
    _script(
        "clear_override",
        "",
        "hget hmget xinfo|stream xrange",
        {**_TRAIL, **_UNDO, "override": "unlink", "overrides": "hdel"},
    ),
    _script(
        "write_alerts",
        "",
        "hgetall pexpiretime",
        {"alerts": "hset hdel pexpireat", **_ALERTS},
    ),
    _script("replay_letter", "", "exists hget hgetall xinfo|stream", _SIGNED),
    _script("cancel_event", "", "exists hget hgetall xinfo|stream", _SIGNED),
    _script(
        "repair_billing",
        "",
        "exists hget hgetall xinfo|stream",
        {**_SIGNED, "billing": "hset hdel pexpireat"},
    ),
    _script(
        "requeue_letter",
        "",
        "exists hget hgetall xinfo|stream xlen",
        {**_SIGNED, "queue": "xadd"},
    ),
    _script(
        "hold_billing",
        "",
        "hgetall",
        {"billing": "hset hdel pexpireat", "unsettled": "zrem"},
    ),
    _script(
        "claim",
        "counter reserved",
        "exists hgetall zrangebyscore",
        {"billing": "hset pexpireat", "unsettled": "zadd"},
    ),
    _script(
        "settle_delivery",
        "",
        "exists hgetall hget",
        {
            "billing": "hset hdel",
            "letters": "hset hdel",
            "lettered": "zadd zrem",
            "unsettled": "zadd zrem",
            "events": "xadd",
        },
    ),
    _script("confirm", "", "hmget", {"billing": "hset"}),
    _script(
        "refuse_late",
        "",
        "hget hgetall",
        {
            "billing": "hset hdel",
            "letters": "hset",
            "lettered": "zadd",
            "unsettled": "zrem",
        },
    ),
    _script(
        "refuse_queued",
        "",
        "hget",
        {"letters": "hset", "queued": "hset", "lettered": "zadd"},
    ),
    _script(
        "settle_queued",
        "",
        "hget exists",
        {
            "queue": "xack xdel",
            "queued": "hdel",
            "letters": "hset hdel",
            "lettered": "zadd zrem",
            "events": "xadd",
        },
    ),
    _script("tidy_consumers", "", "xinfo|consumers", {"queue": "xgroup|delconsumer"}),
    _script("forget_unsettled", "", "zscore", {"unsettled": "zrem"}),
    _script("take_turn", "", "hget", {"syncing": "hset"}),
    _script("keep_samples", "", "hget", {"history": "hset pexpireat"}),
    _script(
        "carry",
        "reserved",
        "hget hmget hgetall xinfo|stream zrangebyscore",
        {
            **_COUNTED,
            **_CHANGED,
            "tenant": "hdel",
            "audit": "xadd",
            "audited": "zadd",
            "billing": "hincrby hset pexpireat",
            "members": "pfcount pfmerge pexpireat",
        },
    ),
    _script("next_request", "", "llen lindex", {"requests": "ltrim"}),
    _script(
        "settle_request",
        "",
        "lindex hget",
        {
            "requests": "lpop",
            "pending": "hset hdel",
            "answered": "set",
            "answers": "xadd expire",
        },
    ),
    _script("replace_entry", "", "hmget", {"tenant": "del hset"}),
)

SCRIPT_NEEDS: Mapping[str, Needs] = {
    name: needs for needs in _NEEDS for name in needs.scripts
}
"""By name; besides those of the Redis contract also the library's own."""


def script_needs(names: str) -> Needs:
    """Return what running several scripts needs together."""
    needs = Needs()
    for name in names.split():
        needs |= SCRIPT_NEEDS[name]
    return needs
