"""`meterdeck acl`: the Redis user of each role, with the least that it needs."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from meterdeck.core.adapters.role_scripts import role_digests
from meterdeck.core.errors import BadInput
from meterdeck.core.model.acl.roles import ROLES, Role
from meterdeck.core.model.acl.server import Server
from meterdeck.core.model.acl.user_rules import Place, UserRules, rules_of
from meterdeck.core.model.context import Context
from meterdeck.core.services.engine import Engine
from meterdeck.tui.cli.acl_apply import apply
from meterdeck.tui.cli.acl_stripe import show_permissions
from meterdeck.tui.cli.arguments import output_of
from meterdeck.tui.cli.call import Call, context_of, run_call
from meterdeck.tui.cli.json_form import Form, context_form
from meterdeck.tui.cli.output import Output


@dataclass(frozen=True, slots=True)
class Wanted:
    """The users that were asked for, and the passwords made for them."""

    place: Place
    users: tuple[UserRules, ...]
    passwords: Mapping[str, str]


def run(args: Namespace) -> int:
    """Print the users of the roles that are named, or of all; or make them so."""
    if args.stripe:
        show_permissions(output_of(args), roles_of(args.roles))
        return 0
    if args.apply:
        return _apply(args)
    context = context_of(args)
    wanted = _wanted(args, context, _server(args, context))
    out = output_of(args)
    if out.as_json:
        out.object(_form(context, wanted))
    else:
        _print(out, wanted, as_file=args.file)
    return 0


def roles_of(names: Sequence[str]) -> tuple[Role, ...]:
    """Return the roles of these names; all of them where there is none.

    Raises:
        BadInput: One is no role's.
    """
    for name in names:
        if name not in frozenset(Role):
            raise BadInput(f"no role is called {name}; there are: {', '.join(Role)}")
    return tuple(dict.fromkeys(map(Role, names))) or tuple(Role)


def _apply(args: Namespace) -> int:
    if args.server or args.file:
        raise BadInput("--server and --file are for printing; --apply asks the server")

    async def work(call: Call) -> int:
        server = await call.engine.redis_users.server()
        return await apply(call, _wanted(args, call.context, server))

    return run_call(args, work, without_stripe=True)


def _server(args: Namespace, context: Context) -> Server:
    if args.server:
        return Server.parse(args.server)

    async def ask() -> Server:
        async with Engine(replace(context, stripe=None)) as engine:
            return await engine.redis_users.server()

    return asyncio.run(ask())


def _wanted(args: Namespace, context: Context, server: Server) -> Wanted:
    roles = roles_of(args.roles)
    if len(roles) != 1 and (args.user or args.hash):
        raise BadInput("--user and --hash are for one role; write: meterdeck acl ROLE")
    if args.hash and args.generate:
        raise BadInput("--hash and --generate are two passwords; give one of them")
    path = urlsplit(context.redis.url).path.strip("/")
    place = Place(
        context.redis.layout,
        server,
        role_digests(),
        cluster=context.redis.cluster is not None,
        database=int(path) if path.isdigit() else 0,
    )
    users, passwords = [], {}
    for role in roles:
        password = secrets.token_urlsafe(32) if args.generate else ""
        user = rules_of(
            role,
            place,
            name=args.user,
            password_hash=_hash(password) if password else args.hash.lower(),
        )
        users.append(user)
        if password:
            passwords[user.name] = password
    return Wanted(place, tuple(users), passwords)


def _hash(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _print(out: Output, wanted: Wanted, *, as_file: bool) -> None:
    server = wanted.place.server
    head = f"# Rules for {server}; what they give and keep from whom: docs/roles.md"
    lines = [head]
    for user in wanted.users:
        lines += ["", f"# {user.role}: {ROLES[user.role].may}"]
        if password := wanted.passwords.get(user.name):
            lines.append(f"# password, shown this once: {password}")
        elif not user.password_hash:
            lines.append(f"# {_KEEPS[as_file]}")
        lines.append(user.file_line() if as_file else user.command())
    out.exactly("\n".join(lines) + "\n")


_KEEPS = {
    False: "keeps its passwords; a new user has none, and cannot log in: --generate",
    True: "has no password, and cannot log in: --generate, or --hash",
}


def _form(context: Context, wanted: Wanted) -> Form:
    return {
        **context_form(context),
        "server": str(wanted.place.server),
        "users": [
            {
                "role": user.role.value,
                "user": user.name,
                "may": ROLES[user.role].may,
                "password": wanted.passwords.get(user.name),
                "password_hash": user.password_hash or None,
                "commands": list(user.commands),
                "keys": list(user.keys),
                "selectors": [list(each) for each in user.selectors],
                "setuser": user.command(),
                "file": user.file_line(),
            }
            for user in wanted.users
        ],
    }
