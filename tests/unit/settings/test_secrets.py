"""Secrets: fetched when needed, from places that nobody else can read, never shown."""

import os
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Context
from meterdeck.core.settings import load_context, secrets
from meterdeck.core.settings.explain import explain

SECRET = "hunter2-hunter2"
SERVICE = 64_123
"""The user that systemd makes up for a service."""
Load = Callable[..., Context]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a context whose Redis password is written as given."""

    def load(
        password: str, *, mode: int = 0o644, url: str = "redis://h", **environ: str
    ) -> Context:
        path = tmp_path / "meterdeck.toml"
        path.write_text(
            f'[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "{url}"\n'
            + (f"password = {password}\n" if password else "")
            + '[contexts.b]\nmode = "test"\n[contexts.b.redis]\nurl = "redis://b"\n'
            'password = { command = ["/no/such/program"] }\n'
        )
        path.chmod(mode)
        return load_context(config=path, context="a", environ={"PW": SECRET, **environ})

    return load


def revealed(context: Context) -> str:
    """Return the password of a context's Redis."""
    assert context.redis.password is not None
    return context.redis.password.reveal()


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file with a mode."""
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_secret_comes_from_the_environment(load: Load) -> None:
    """The other context's secret is not fetched: its program does not exist."""
    assert revealed(load('{ env = "PW" }')) == SECRET


def test_a_secret_comes_from_a_private_file_beside_the_configuration(
    load: Load, tmp_path: Path
) -> None:
    """A relative path starts at the configuration; the last line break is dropped."""
    private(tmp_path / "pw", SECRET + "\n")

    assert revealed(load('{ file = "pw" }')) == SECRET


def test_a_secret_comes_from_a_program(load: Load) -> None:
    """The list is run as it is: no shell looks at it."""
    program = f"print('{SECRET}' if len(__import__('sys').argv) == 2 else '')"

    context = load(
        f"""{{ command = ["{sys.executable}", "-c", "{program}", "$A;b"] }}"""
    )

    assert revealed(context) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_use_is_refused(
    load: Load, tmp_path: Path, mode: int
) -> None:
    """As with ssh keys; the sentence is the command to run."""
    path = private(tmp_path / "pw", SECRET, mode)

    with pytest.raises(ConfigError) as caught:
        load('{ file = "pw" }')

    assert str(caught.value).endswith(
        f"others may use it (mode {mode:04o}); run: chmod 600 {path}"
    )


# No other user can make a file that belongs to somebody else. CI runs as root.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(load: Load, tmp_path: Path) -> None:
    """Whoever owns it can change what we send."""
    os.chown(private(tmp_path / "pw", SECRET), 12345, -1)

    with pytest.raises(ConfigError, match=r"belongs to user 12345; run: chown 0 "):
        load('{ file = "pw" }')


@pytest.fixture
def credentials() -> Iterator[Path]:
    """Be a service of systemd's, whose configuration and password are credentials.

    Both files are root's, and readable by the service's user by an access list.
    """
    with TemporaryDirectory() as name:  # tmp_path is root's alone
        folder = Path(name)
        config = (
            '[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "redis://h"\n'
            f'password = {{ file = "{folder}/password" }}\n'
            f'[contexts.b]\nmode = "test"\n[contexts.b.redis]\nurl = "redis://b"\n'
            f'password = "{SECRET}"\n'
        )
        for path, text in (
            (folder / "config.toml", config),
            (folder / "password", SECRET),
        ):
            lend(private(path, text, 0o400), SERVICE)
        folder.chmod(0o755)
        os.seteuid(SERVICE)
        try:
            yield folder
        finally:
            os.seteuid(0)


def lend(path: Path, user: int) -> None:
    """Let a user read a file by an access list, as systemd does since version 254."""
    nobody, owner, named, group, mask, others = 0xFFFFFFFF, 1, 2, 4, 16, 32
    entries = (
        (owner, 4, nobody),
        (named, 4, user),
        (group, 0, nobody),
        (mask, 4, nobody),
        (others, 0, nobody),
    )
    packed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError:
        assert os.environ.get("METERDECK_REQUIRE_ALL") != "1", "CI has access lists"
        # A temporary folder may be on a file system without them; CI's is not.
        pytest.skip("this file system has no access lists")


# A credential is root's, given to a service that is somebody else: only root can be
# both, and access lists are set as Linux has them. CI runs as root, on Linux.
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can be a service"
)
@pytest.mark.parametrize("context", ["a", "b"])
def test_a_credential_of_systemds_is_a_private_file(
    credentials: Path, context: str
) -> None:
    """Both as a file of its own, and as the configuration that the secret stands in."""
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    config = credentials / "config.toml"

    found = load_context(config=config, context=context, environ=environ)

    assert revealed(found) == SECRET
    with pytest.raises(ConfigError, match=f"to user 0; run: chown {SERVICE} "):
        load_context(config=config, context=context, environ={})


@pytest.mark.parametrize(
    ("file", "mode", "accepted"),
    [
        ("own/pw", 0o440, True),
        ("own/pw", 0o444, False),
        ("own/pw", 0o460, False),
        ("own/below/pw", 0o440, False),
        ("other/pw", 0o440, False),
    ],
)
def test_what_the_group_may_is_a_mask_in_the_folder_of_credentials_alone(
    load: Load, tmp_path: Path, file: str, mode: int, *, accepted: bool
) -> None:
    """To read, and nothing more; anywhere else it is a group."""
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    private(path, SECRET, mode)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "own")}

    if accepted:
        assert revealed(load(f'{{ file = "{file}" }}', **environ)) == SECRET
        return
    with pytest.raises(ConfigError, match=rf"others may use it \(mode {mode:04o}\)"):
        load(f'{{ file = "{file}" }}', **environ)


def test_a_pipe_in_place_of_a_file_is_refused_at_once(
    load: Load, tmp_path: Path
) -> None:
    """Opening it does not wait for a writer."""
    os.mkfifo(tmp_path / "pw", 0o600)

    with pytest.raises(ConfigError, match="is not a regular file"):
        load('{ file = "pw" }')


def test_a_secret_in_the_file_itself_needs_a_private_file(load: Load) -> None:
    """Mode 0644 is refused with the chmod; 0600 is accepted."""
    with pytest.raises(ConfigError, match=r"run: chmod 600 .*meterdeck\.toml"):
        load(f'"{SECRET}"')

    assert revealed(load(f'"{SECRET}"', mode=0o600)) == SECRET
    assert revealed(load(f'{{ value = "{SECRET}" }}', mode=0o600)) == SECRET


def test_a_password_in_the_url_is_a_secret_in_the_file(load: Load) -> None:
    """It is held to the same rule, and the address has none of it."""
    url = f"redis://ops:{SECRET}@h:1/2"
    with pytest.raises(ConfigError, match="chmod 600"):
        load("", url=url)

    context = load("", mode=0o600, url=url)

    assert context.redis.url == "redis://h:1/2"
    assert context.redis.username == "ops"
    assert revealed(context) == SECRET


def test_a_password_on_the_command_line_is_refused(tmp_path: Path) -> None:
    """Every user of the machine sees the arguments of a program."""
    path = private(
        tmp_path / "c.toml",
        '[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "redis://h"\n',
    )

    with pytest.raises(ConfigError, match="seen by every user") as caught:
        load_context(
            config=path, environ={}, flags={"redis_url": f"redis://:{SECRET}@h"}
        )

    assert SECRET not in str(caught.value)


def test_a_stronger_layer_replaces_the_whole_secret(tmp_path: Path) -> None:
    """`env` in the file and `file` in the environment are not two sources."""
    path = private(
        tmp_path / "c.toml",
        '[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "redis://h"\n'
        'password = { env = "PW" }\n',
    )
    other = private(tmp_path / "pw", "another")
    environ = {"METERDECK_CONTEXTS__A__REDIS__PASSWORD__FILE": str(other)}

    assert revealed(load_context(config=path, environ=environ)) == "another"
    environ = {"METERDECK_CONTEXTS__A__REDIS__PASSWORD": "plain"}
    assert revealed(load_context(config=path, environ=environ)) == "plain"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('{ env = "NONE" }', "the environment variable NONE is not set"),
        ('{ file = "none" }', "cannot be read: No such file or directory"),
        ('{ command = ["false"] }', "false ended with status 1"),
        ('{ command = ["/none"] }', "/none cannot be run: No such file or directory"),
        ('{ command = ["true"] }', "the secret found there is empty"),
        ('{ command = ["echo", "two words"] }', "is not a single word"),
        ('{ command = "pass show x" }', "must be a list"),
    ],
)
def test_a_secret_that_is_not_there_is_one_sentence(
    load: Load, source: str, problem: str
) -> None:
    """It names the setting, once, and what was tried."""
    with pytest.raises(ConfigError, match=r"contexts\.a\.redis\.password") as caught:
        load(source)

    assert problem in str(caught.value)
    assert str(caught.value).count("contexts.a.redis") == 1


def test_a_program_that_does_not_end_is_given_up(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password prompt nobody sees must not hold up the start for ever."""
    monkeypatch.setattr(secrets, "DEADLINE_S", 0.05)

    with pytest.raises(ConfigError, match=r"sleep gave no answer in 0\.05 s"):
        load('{ command = ["sleep", "60"] }')


def test_a_secret_is_in_no_text_of_a_context(load: Load) -> None:
    """Neither repr nor str of anything that holds it shows it."""
    context = load('{ env = "PW" }')

    shown = f"{context!r} {context.redis} {context.redis.password}"

    assert SECRET not in shown
    assert "••••" in shown


def test_a_secret_is_in_no_traceback(load: Load) -> None:
    """A file that is refused is not quoted in what is chained to the error."""
    with pytest.raises(ConfigError) as caught:
        load(f'["{SECRET}"]')

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_explaining_settings_shows_where_secrets_are_not_what_they_are(
    tmp_path: Path,
) -> None:
    """Every value has its source; passwords, also in addresses, are masked."""
    path = tmp_path / "c.toml"
    path.write_text(
        '[contexts.a]\nmode = "test"\n[contexts.a.redis]\n'
        f'url = "redis://ops:{SECRET}@h"\npassword = "{SECRET}"\n'
    )
    environ = {"METERDECK_CONTEXTS__A__REDIS__PREFIX": "md:"}

    found = {
        each.key: (each.value, each.source)
        for each in explain(config=path, environ=environ, flags={"read_only": "true"})
    }

    assert SECRET not in str(found)
    assert found["contexts.a.redis.url"] == ("redis://••••@h", str(path))
    assert found["contexts.a.redis.password"] == ("••••", str(path))
    assert found["contexts.a.redis.prefix"] == (
        "md:",
        "environment METERDECK_CONTEXTS__A__REDIS__PREFIX",
    )
    assert found["contexts.a.read_only"] == ("true", "--read-only")
    assert found["contexts.a.poll_seconds"] == ("1.0", "default")


def test_explaining_settings_leaves_none_out(tmp_path: Path) -> None:
    """Nor those of the console, and which context is chosen; with no file none is."""
    path = tmp_path / "c.toml"
    path.write_text(
        'default_context = "a"\n[console]\ntheme = "light"\n'
        '[console.keys]\nadjust = "f5"\n[contexts.a]\nmode = "test"\n'
        '[contexts.a.redis]\nurl = "redis://h"\n'
    )

    found = {
        each.key: (each.value, each.source)
        for each in explain(config=path, environ={}, flags={})
    }

    assert found["default_context"] == ("a", str(path))
    assert found["console.theme"] == ("light", str(path))
    assert found["console.keys.adjust"] == ("f5", str(path))
    assert found["console.mouse"] == ("auto", "default")
    assert explain(environ={"HOME": str(tmp_path)}, context="sandbox", flags={}) == ()
