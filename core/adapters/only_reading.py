"""Connections of who may not write: nothing that writes is sent, whoever asks for it.

The last door, behind the services' own: a service that forgot to look at `read_only`,
or at the database's contract, ends here, before anything has left this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection

from meterdeck.core.errors import MeterdeckError

SENTENCE = "this context is read-only; nothing was changed"
HARMLESS_SCRIPT = "#!lua flags=no-writes"
"""What a script begins with of which the server itself sees that it writes nothing."""

_NAMES = """
    APPEND BITFIELD BITOP BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN
    COPY DECR DECRBY DEL DELIFEQ EXPIRE EXPIREAT FLUSHALL FLUSHDB GEOADD GEORADIUS
    GEORADIUSBYMEMBER GEOSEARCHSTORE GETDEL GETEX GETSET HDEL HEXPIRE HEXPIREAT HGETDEL
    HGETEX HINCRBY HINCRBYFLOAT HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET HSETEX HSETNX
    INCR INCRBY INCRBYFLOAT LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM
    MIGRATE MOVE MSET MSETEX MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFDEBUG PFMERGE
    PSETEX RENAME RENAMENX RESTORE RESTORE-ASKING RPOP RPOPLPUSH RPUSH RPUSHX SADD
    SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE SMOVE SORT SPOP SREM
    SUNIONSTORE SWAPDB UNLINK XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XGROUP
    XREADGROUP XSETID XTRIM ZADD ZDIFFSTORE ZINCRBY ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN
    ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZUNIONSTORE
    EVALSHA FCALL FUNCTION PUBLISH SPUBLISH SHUTDOWN REPLICAOF SLAVEOF FAILOVER DEBUG
    SAVE BGSAVE BGREWRITEAOF
"""
WRITES = frozenset(_NAMES.split())
"""Commands that change data or the server; a test asks a server for what is missing.

EVAL is looked at by itself, for what its script says it does; `PARTLY` by the word
that follows.
"""
PARTLY = {
    "ACL": frozenset({"SETUSER", "DELUSER", "LOAD", "SAVE"}),
    "CONFIG": frozenset({"SET", "REWRITE", "RESETSTAT"}),
    "SCRIPT": frozenset({"LOAD", "FLUSH", "KILL"}),
}
"""Commands of which some change the server, and which."""


def writes(command: Sequence[Any]) -> bool:
    """Tell whether a command may change data or the server."""
    name, _, word = _text(command[0]).upper().partition(" ")
    if name in PARTLY and not word:
        word = _text(command[1]).upper() if len(command) > 1 else ""
    if name == "EVAL":
        return not _text(command[1]).startswith(HARMLESS_SCRIPT)
    return name in WRITES or word in PARTLY.get(name, ())


def _text(part: Any) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)


def only_reading(
    connection: AbstractConnection, refusal: Callable[[], MeterdeckError | None]
) -> None:
    """Have a connection ask before it sends what writes.

    Everything that the library sends it packs here first; what is packed elsewhere is
    looked at there (`send_once`, the lanes and the batches of scripts).

    Args:
        refusal: Why nothing may be written now; None: it may.
    """
    given: Any = connection
    pack, pack_all = given.pack_command, given.pack_commands

    def pack_command(*parts: Any) -> Any:
        refused = refusal()
        if refused is not None and writes(parts):
            raise refused
        return pack(*parts)

    def pack_commands(commands: Iterable[Sequence[Any]]) -> Any:
        several = list(commands)
        refused = refusal()
        if refused is not None and any(map(writes, several)):
            raise refused
        return pack_all(several)

    given.pack_command, given.pack_commands = pack_command, pack_commands
