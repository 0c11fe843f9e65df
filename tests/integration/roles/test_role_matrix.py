"""Every script and every kind of command, tried by every role on a real server."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.contexts import redis_context, with_events, with_kinds, with_layout
from tests.support.desk import Desk
from tests.support.monitored import monitored
from tests.support.raw import ask
from tests.support.role_journey import Day
from tests.support.role_table import (
    deeds_of_scripts,
    direct_deeds,
    is_refused,
    table_lines,
    who_may,
)
from tests.support.role_users import role_users

from meterdeck.core.adapters.redis_client import Redis
from meterdeck.core.adapters.role_scripts import role_digests
from meterdeck.core.adapters.server_reading import read_user
from meterdeck.core.errors import NoRight
from meterdeck.core.model.acl.roles import ROLES, Role
from meterdeck.core.model.acl.user_rules import RIGHTS_SCRIPT
from meterdeck.core.model.alert_rules import AlertRule, Measure
from meterdeck.core.model.context import AlertOptions, Context
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.sandbox.valkey import Valkey
from meterdeck.core.services.operator_changes import OperatorChanges
from meterdeck.core.services.usage import UsageService

PAGE = Path(__file__).parents[3] / "docs" / "roles.md"
BEGIN, END = "<!-- the test's output -->\n", "<!-- its end -->\n"
WRITE = "METERDECK_WRITE_ROLES"
"""Set to 1 it writes the page's tables anew instead of comparing them."""

DOES_NOTHING = {"tidy_consumers"}
"""Scripts that do nothing, and say so, where they may not ask."""


@pytest.fixture
def tagged(request: pytest.FixtureRequest) -> bool:
    """Whether tenants are written with braces: on Valkey they are."""
    return bool(request.node.callspec.params["redis_server"] == "valkey")


@pytest.fixture
def context(redis_server: Valkey, tagged: bool) -> Context:
    """A context of every kind of resource, with an alert."""
    context = with_events(with_kinds(redis_context(redis_server.url)))
    near = AlertRule("near", Measure.PERCENT, (80,))
    context = replace(context, alerts=AlertOptions(rules=(near,)))
    return with_layout(context, KeyLayout(tagged=tagged))


async def test_every_role_may_what_the_page_says_and_nothing_else(
    redis: Redis, redis_server: Valkey, context: Context, tagged: bool
) -> None:
    """Real users do a day's work, each script by its role, and are refused nothing.

    Then every command that was seen to run, in scripts and beside them, is tried by
    every role. Who may not is refused really, and nothing has changed.
    """
    await ask(redis, "SCRIPT", "FLUSH")
    await ask(redis, "ACL", "LOG", "RESET")
    async with role_users(redis, context) as users:
        async with monitored(redis_server) as ran:
            await Day(redis, users).run()
        assert await ask(redis, "ACL", "LOG") == []
        scripts, direct = deeds_of_scripts(ran), direct_deeds(context.redis.layout)
        of_scripts = await who_may(redis, users, scripts)
        of_commands = await who_may(redis, users, direct)

        before = await ask(redis, "DEBUG", "DIGEST")
        for deed in (*scripts, *direct):
            may = {**of_scripts, **of_commands}[deed.name]
            denied = [user for role, user in users.items() if not may[role]]
            let_in = [u.name for u in denied if not await is_refused(u, deed)]
            assert let_in == [] or deed.name in DOES_NOTHING, deed
        assert await ask(redis, "DEBUG", "DIGEST") == before
        for role, user in users.items():
            found = await read_user(user.redis, context.redis.layout)
            assert found is not None
            assert (found.name, found.role) == (user.name, role)
        # A server that has forgotten the script tells only who may ask without it.
        await ask(redis, "SCRIPT", "FLUSH")
        for role, told in ((Role.DEPLOY, "deploy"), (Role.VIEWER, "")):
            found = await read_user(users[role].redis, context.redis.layout)
            assert found is not None
            assert (found.role, found.may is None) == (told, not told)

    known = {each.name for each in scripts}
    assert known == set(role_digests()) - {RIGHTS_SCRIPT}
    for name, may in of_scripts.items():
        for role, allowed in may.items():
            assert allowed == (name in ROLES[role].needs.scripts), (name, role)
    compare_with_page(of_scripts if tagged else {}, of_commands)


def compare_with_page(
    of_scripts: Mapping[str, Mapping[Role, bool]],
    of_commands: Mapping[str, Mapping[Role, bool]],
) -> None:
    """Compare the tables with the page, or write them there."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    found, end, tail = rest.partition(END)
    assert end
    scripts = table_lines("script", of_scripts)
    commands = table_lines("directly", of_commands)
    told = "\n".join([*scripts, "", *commands, ""])
    if os.environ.get(WRITE) == "1" and of_scripts:
        PAGE.write_text(f"{head}{BEGIN}{told}{END}{tail}")
    elif of_scripts:
        assert found == told
    else:
        assert "\n".join(commands) in found


async def test_a_refusal_says_who_lacks_what_and_which_role_has_it(
    redis: Redis, context: Context, tagged: bool
) -> None:
    """One sentence; and another where the server has forgotten the scripts."""
    said = {}
    async with role_users(redis, context) as users:
        for role in (Role.VIEWER, Role.SUPPORT):
            by = users[role]
            await ask(redis, "SCRIPT", "FLUSH")
            desk = Desk(
                OperatorChanges(by.redis, by.context), UsageService(by.redis, context)
            )
            with pytest.raises(NoRight) as refused:
                await desk.limit(5)
            said[role] = str(refused.value)

    lacking = (
        "this Redis user has no right to do that; it needs +sadd"
        if tagged  # the index comes first
        else "Redis user meterdeck-viewer has no right to do that: the override was"
        " refused; roles that may: support, lead"
    )
    assert said[Role.VIEWER].startswith(lacking)
    assert said[Role.SUPPORT].startswith(
        "Redis user meterdeck-support has no right to do that: the override runs a"
        " script that the server has forgotten"
    )
