"""Real users of a real server in front of the real console: what each is told."""

from pathlib import Path
from typing import Any

from tests.support.stage import Stage, stage
from tests.support.terminal import KEYS

from meterdeck.core.adapters.role_scripts import role_digests, role_scripts
from meterdeck.core.model.acl.roles import Role
from meterdeck.core.model.acl.server import Server
from meterdeck.core.model.acl.user_rules import Place, rules_of
from meterdeck.core.model.keys import KeyLayout

PASSWORD = "of-ana-alone"  # a user of this test's server


def becomes(here: Stage, role: Role) -> None:
    """Give ana a role; what she had before is gone."""
    server = Server.of_info(here.redis.info())
    rules = rules_of(role, Place(KeyLayout(), server, role_digests()), name="ana")
    client: Any = here.redis  # the library does not type this method
    client.execute_command("ACL", "SETUSER", *rules.arguments(), f">{PASSWORD}")


def test_a_viewer_and_support_are_told_who_they_are_and_what_is_not_theirs(
    tmp_path: Path,
) -> None:
    """Before anything is typed, with the roles that may; a new right is noticed."""
    with stage(tmp_path) as here:
        for text in role_scripts().values():
            here.redis.script_load(text)
        here.redis.set(here.counter("acme"), 400)
        with here.config.open("a") as config:
            config.write('username = "ana"\npassword = { env = "ANA" }\n')
        here.environment["ANA"] = PASSWORD  # type: ignore[index]  # a dict
        becomes(here, Role.VIEWER)
        with here.console() as console:
            console.wait_for("as ana (viewer)")
            console.wait_for("acme")
            console.send("a")
            said = console.wait_for("adjust: not as this Redis user")
            for part in (
                "Roles that may: support, lead",
                "meterdeck acl support --user ana",
            ):
                assert part in said
            console.send(KEYS["escape"])
            console.wait_for(lambda s: "not as this" not in s)
            console.send("?")
            console.wait_for("You are Redis user ana (viewer), who may only look")
            console.send(KEYS["escape"])

            becomes(here, Role.SUPPORT)
            console.wait_for(lambda s: "You are Redis user" not in s)
            console.send("a")  # refused by what is known, and asked again
            console.wait_for("now it may")
            console.send(KEYS["escape"])
            console.wait_for("as ana (support)")
            console.send("a")
            console.wait_for("Adjust a counter")
            console.send(KEYS["escape"])
            console.wait_for(lambda s: "Adjust a counter" not in s)
            console.send("D")
            console.wait_for("compare all")
            console.send("R")
            said = console.wait_for("repair all: not as this Redis user")
            assert "Roles that may: lead" in said
            console.send(KEYS["escape"])
            console.wait_for(lambda s: "not as this" not in s)
            console.send("q")
            assert console.wait_end() == 0

        assert here.redis.get(here.counter("acme")) == b"400"
