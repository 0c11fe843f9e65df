"""Roles: what they name is what the scripts run, and rules say it safely."""

import inspect
import re
from pathlib import Path

import pytest

from meterdeck.core.adapters.role_scripts import role_digests
from meterdeck.core.adapters.script_texts import own_script_texts, script_texts
from meterdeck.core.errors import BadInput, StripeRefused
from meterdeck.core.model.acl.key_family import KeyFamily, pattern_of
from meterdeck.core.model.acl.rights import (
    ROLE_RIGHTS,
    people_with,
    right_to,
    role_with,
)
from meterdeck.core.model.acl.roles import ROLES, Role, needs_of
from meterdeck.core.model.acl.script_needs import SCRIPT_NEEDS
from meterdeck.core.model.acl.server import Server
from meterdeck.core.model.acl.stripe_permissions import (
    missing_in,
    stripe_permissions,
)
from meterdeck.core.model.acl.user_rules import Place, rules_of
from meterdeck.core.model.keys import KeyLayout

LUA = Path(__file__).parents[2] / "core" / "adapters" / "lua"
WORDS = """
    EX PX NX XX GT LT STREAM CONSUMERS DELCONSUMER MAXLEN WITHSCORES COUNT KEEPTTL
    NOPERM WRONGTYPE ARGV KEYS
"""
"""In capitals in a script, and no command."""
SERVER = Server("redis", 7, 0)


def commands_in(text: str) -> set[str]:
    """Return the commands that a script's text names."""
    found = set(re.findall(r"'([A-Z]{2,})'", text)) - set(WORDS.split())
    return {each.lower() for each in found}


@pytest.mark.parametrize("name", SCRIPT_NEEDS)
def test_a_script_needs_the_commands_that_its_text_names(name: str) -> None:
    """No more; and what its own file names, no less: of files that scripts share
    not every one uses everything."""
    script = {**script_texts(), **own_script_texts()}[name]
    whole = script.text.decode().removeprefix("#!lua\n")
    needed = {each.partition("|")[0] for each in SCRIPT_NEEDS[name].commands}

    assert needed <= commands_in(whole) | {"get", "time", "type"}
    assert commands_in((LUA / f"{name}.lua").read_text()) <= needed


def test_every_key_of_the_layout_is_of_a_family() -> None:
    """A new kind of key is noticed here; each pattern matches keys of its own."""
    methods = {
        name
        for name, method in inspect.getmembers(KeyLayout, inspect.isfunction)
        if not name.startswith(("_", "parse")) and not name.endswith("glob")
    }

    assert methods == {each.value for each in KeyFamily}
    assert pattern_of(KeyFamily.COUNTER, KeyLayout()) == "usage:*:*:*"
    tagged = KeyLayout(tagged=True)
    assert pattern_of(KeyFamily.QUEUE, tagged) == "meterdeck:queue:{*}"
    assert pattern_of(KeyFamily.QUEUE, KeyLayout()) == "meterdeck:queue"


def test_a_rule_cannot_be_broken_by_the_layout_or_a_name() -> None:
    """What would end a word, or a selector, is matched by a question mark."""
    layout = KeyLayout("a (b)*é:{tenant}:{resource}:{period}", prefix="p\n:")
    place = Place(layout, SERVER, role_digests())
    line = rules_of(Role.WORKER, place).file_line()

    assert "~a??b?\\*??:*:*:*" in line
    assert line.isascii()
    assert "\n" not in line
    for name in ("a b", "x)", "", "é"):
        if name:
            with pytest.raises(BadInput, match="make a user's name"):
                rules_of(Role.VIEWER, place, name=name)
    with pytest.raises(BadInput, match="64 digits"):
        rules_of(Role.VIEWER, place, password_hash="secret")


def test_rules_name_no_command_that_the_server_does_not_know() -> None:
    """Redis 7.0 would refuse the whole user; people run known scripts alone."""
    lines = {
        text: rules_of(
            Role.SUPPORT, Place(KeyLayout(), Server.parse(text), role_digests())
        ).command()
        for text in ("7.0", "7.2", "8", "valkey-9.1")
    }

    assert ["client|setinfo" in line for line in lines.values()] == [False, *[True] * 3]
    assert "+eval " not in lines["8"]
    assert f"+evalsha|{role_digests()['adjust']}" in lines["8"]
    for text in ("6.2", "seven", "mysql-8", ""):
        with pytest.raises(BadInput):
            Server.parse(text)


def test_a_viewer_is_given_no_command_that_writes() -> None:
    """Whatever else a role looks at, looking stays looking."""
    for tagged in (False, True):
        needs = needs_of(Role.VIEWER, tagged=tagged, cluster=True, database=3)
        assert (needs.writes, needs.scripts) == ((), frozenset())
        assert "select" in needs.keyless


def test_the_rights_by_which_a_role_is_recognised_are_those_of_its_scripts() -> None:
    """Each role is told from every other, and a script's right from its roles."""
    assert set(ROLE_RIGHTS) == set(Role)
    for role, rights in ROLE_RIGHTS.items():
        assert role_with(rights) == role
    for script in SCRIPT_NEEDS:
        if right := right_to(script):
            assert set(people_with(right)) == {
                role for role in ("support", "lead", "requester")
                if script in ROLES[Role(role)].needs.scripts
            }  # fmt: skip
    changed_by_people = ROLES[Role.LEAD].needs.scripts
    assert all(right_to(script) for script in changed_by_people)


def test_a_refusal_of_stripe_says_which_permission_is_missing() -> None:
    """In the words of Stripe's dashboard, where its own code is known."""
    sentence = "The provided key 'rk_test_***' does not have the required permissions"
    for code, words in {
        "rak_subscription_read": "Subscriptions: Read",
        "rak_billing_meter_event_write": "Billing Meter Events: Write",
        "rak_plan_write": "Prices: Write",
        "rak_new_thing_read": "rak_new_thing: Read",
    }.items():
        having = f"{sentence}. Having the '{code}' permission would allow this."
        missing = missing_in(StripeRefused(having, status=403))
        assert missing is not None
        assert missing.permission == words
    unnamed = StripeRefused(sentence, status=403, code="more_permissions_required")
    assert "does not have" in str(missing_in(unnamed))
    assert missing_in(StripeRefused("No such meter", status=404)) is None
    assert stripe_permissions(Role.APPLICATION) == ()
