"""What every role may, asked of a real server: the rows of docs/roles.md."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis.exceptions import NoPermissionError, ResponseError
from tests.support.monitored import Ran, Words
from tests.support.raw import ask
from tests.support.role_users import RoleUser

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.role_scripts import role_digests
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.keys import KeyLayout

_NO = ("NOPERM", "no permissions", "can't run this command", "ACL failure")


@dataclass(frozen=True)
class Deed:
    """Something to try: a row of the table, and the commands that it takes."""

    name: str
    commands: tuple[Words, ...]


def deeds_of_scripts(ran: Iterable[Ran]) -> list[Deed]:
    """Return each script with every command that it was seen to run."""
    names = {digest.encode(): name for name, digest in role_digests().items()}
    found: dict[str, dict[Words, None]] = {}
    for each in ran:
        head, *rest = each.words
        if head.upper() not in (b"EVALSHA", b"EVAL"):
            continue
        name = names[rest[0] if head.upper() == b"EVALSHA" else _digest(rest[0])]
        found.setdefault(name, {}).update(dict.fromkeys(each.every))
    return [Deed(name, tuple(commands)) for name, commands in sorted(found.items())]


def _digest(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


def direct_deeds(layout: KeyLayout) -> list[Deed]:
    """Return commands beside the scripts: what people would try, and attackers."""
    counter = layout.counter("acme", "api_calls", "2026-11").decode()
    audit = layout.audit("acme").decode()
    entry = layout.tenant("acme").decode()
    override = layout.override("acme", "api_calls").decode()
    record = layout.billing("acme", "api_calls", "2026-11").decode()
    queue, call = layout.queue("acme").decode(), layout.call("acme", "c-1").decode()
    own = layout.requests("meterdeck-requester").decode()
    other, waits = layout.requests("bob").decode(), layout.pending().decode()
    answers = layout.answers("bob").decode()
    library = "#!lua name=other\nredis.register_function('f', function() end)"
    rows = [
        ("read a counter", f"GET {counter}"),
        ("read an audit trail", f"XRANGE {audit} - +"),
        ("read customers", f"HGETALL {entry}"),
        ("read the billing record", f"HGETALL {record}"),
        ("list the names of keys (`SCAN`)", "SCAN 0"),
        ("see how the server is (`INFO`)", "INFO"),
        ("change a counter beside the scripts", f"INCRBY {counter} 1"),
        ("overwrite a counter", f"SET {counter} 1"),
        ("delete a counter", f"DEL {counter}"),
        ("change an override beside the scripts", f"HSET {override} units 1"),
        ("change a billing record beside the scripts", f"HSET {record} reported 1"),
        ("write into an audit trail", f"XADD {audit} * at 0"),
        ("delete an audit trail", f"DEL {audit}"),
        ("cut an audit trail (`XTRIM`)", f"XTRIM {audit} MAXLEN 0"),
        ("change a customer", f"HSET {entry} plan pro"),
        ("forget a call's answer", f"DEL {call}"),
        (
            "take events from the queue",
            f"XREADGROUP GROUP meterdeck me STREAMS {queue} >",
        ),
        ("ask for a change, in one's own list", f"RPUSH {own} {{}}"),
        ("ask in another person's list", f"RPUSH {other} {{}}"),
        ("empty one's own list", f"DEL {own}"),
        ("take a request off a list", f"LPOP {own}"),
        ("change what waits for approval", f"HSET {waits} bob:1 {{}}"),
        ("write an answer", f"XADD {answers} * answer {{}}"),
        ("read another program's key", "GET another:key"),
        ("write another program's key", "SET another:key 1"),
        ("empty the database (`FLUSHDB`)", "FLUSHDB"),
        ("empty the server (`FLUSHALL`)", "FLUSHALL"),
        ("list all keys (`KEYS`)", "KEYS *"),
        ("read settings (`CONFIG GET`)", "CONFIG GET requirepass"),
        ("change settings (`CONFIG SET`)", "CONFIG SET save x"),
        ("load a script", "SCRIPT LOAD |return 1"),
        ("forget all scripts (`SCRIPT FLUSH`)", "SCRIPT FLUSH"),
        ("load a function", f"FUNCTION LOAD REPLACE |{library}"),
        ("make users (`ACL SETUSER`)", "ACL SETUSER meterdeck-tried off"),
        ("see users and their hashes (`ACL LIST`)", "ACL LIST"),
        ("see who is connected (`CLIENT LIST`)", "CLIENT LIST"),
        ("end a connection (`CLIENT KILL`)", "CLIENT KILL ID 0"),
        ("watch all commands (`MONITOR`)", "MONITOR"),
        ("publish", "PUBLISH a b"),
        ("make it a replica (`REPLICAOF`)", "REPLICAOF NO ONE"),
        ("stop it (`SHUTDOWN`)", "SHUTDOWN NOSAVE"),
    ]
    script = Deed(
        "run a script of one's own",
        ((b"EVAL", b"return 1", b"1", counter.encode()),),
    )
    return [*(_deed(name, text) for name, text in rows), script]


def _deed(name: str, text: str) -> Deed:
    head, bar, last = text.partition("|")
    words = head.encode().split()
    return Deed(name, ((*words, last.encode()) if bar else tuple(words),))


async def who_may(
    admin: Redis, users: Mapping[Role, RoleUser], deeds: Sequence[Deed]
) -> dict[str, dict[Role, bool]]:
    """Ask the server, for each user, about every command of every deed."""
    table: dict[str, dict[Role, bool]] = {each.name: {} for each in deeds}
    for role, user in users.items():
        async with admin.pipeline(transaction=False) as pipe:
            for words in (words for deed in deeds for words in deed.commands):
                pipe.execute_command("ACL", "DRYRUN", user.name, *words)
            replies = iter(await pipe.execute())
        for deed in deeds:
            answers = [next(replies) for _ in deed.commands]
            table[deed.name][role] = all(each == b"OK" for each in answers)
    return table


async def is_refused(user: RoleUser, deed: Deed) -> bool:
    """Do it really, as that user: its first command, which is the script itself."""
    try:
        await ask(user.redis, *deed.commands[0])
    except NoPermissionError:
        return True
    except ResponseError as error:
        return any(sign in str(error) for sign in _NO)
    return False


def table_lines(head: str, table: Mapping[str, Mapping[Role, bool]]) -> list[str]:
    """Return the table in Markdown."""
    lines = [
        f"| {head} | {' | '.join(Role)} |",
        f"|---|{':-:|' * len(Role)}",
    ]
    for name, may in table.items():
        shown = f"`{name}`" if "_" in name or name in role_digests() else name
        lines.append(
            f"| {shown} | {' | '.join('yes' if may[role] else '–' for role in Role)} |"
        )
    return lines
