"""Who is at the keyboard."""

import os
import pwd

import pytest

from meterdeck.tui.cli.actor import current_actor

LOGIN = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("connection", "origin"),
    [
        (None, "local"),
        ("", "local"),
        ("10.0.0.5 50000 10.0.0.9 22", "ssh 10.0.0.5"),
        ("fe80::1%eth0 50000 ::1 22", "ssh fe80::1%eth0"),
        ("\x1b[31m 1 2 3", "ssh"),
    ],
)
def test_the_origin_is_the_ssh_client(connection: str | None, origin: str) -> None:
    """Anything that is no address is not repeated."""
    environ = {} if connection is None else {"SSH_CONNECTION": connection}

    assert current_actor(environ).origin == origin


def test_the_name_is_not_taken_from_the_environment() -> None:
    """LOGNAME and USER are what anybody likes them to be."""
    environ = {"LOGNAME": "ceo", "USER": "ceo", "LNAME": "ceo", "USERNAME": "ceo"}

    assert current_actor(environ).name == LOGIN


# SUDO_USER is believed only of root, which a test cannot become. CI runs as root.
@pytest.mark.skipif(os.geteuid() != 0, reason="sudo makes root of one")
def test_under_sudo_the_person_behind_root_is_named() -> None:
    """Only a login name is believed."""
    assert current_actor({"SUDO_USER": "alice"}).name == f"alice (sudo as {LOGIN})"
    assert current_actor({"SUDO_USER": "a\x1b[31m"}).name == LOGIN
