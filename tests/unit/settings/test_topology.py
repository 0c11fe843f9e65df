"""Settings of Sentinel and Cluster: what fits together, and a sentence where not."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from redis.asyncio.connection import parse_url

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import (
    ClusterOptions,
    HostPort,
    RedisOptions,
    Secret,
    SentinelOptions,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.settings import load_context
from meterdeck.core.settings.explain import summaries

Load = Callable[[str], RedisOptions]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a context whose redis table holds the given lines."""

    def load(lines: str) -> RedisOptions:
        path = tmp_path / "c.toml"
        path.write_text(f'[contexts.a]\nmode = "test"\n[contexts.a.redis]\n{lines}\n')
        environ = {"SENTINEL_PW": "s3cret"}
        return load_context(config=path, environ=environ).redis

    return load


def test_sentinels_are_read(load: Load) -> None:
    """A port is 26379 where none is given; the password is a secret."""
    found = load(
        'url = "rediss:///3"\nsentinels = ["s1:7000", "s2", "[::1]:7001"]\n'
        'master_name = "main"\nsentinel_username = "ops"\n'
        'sentinel_password = { env = "SENTINEL_PW" }'
    )

    assert found.url == "rediss:///3"
    assert found.sentinel == SentinelOptions(
        (HostPort("s1", 7000), HostPort("s2", 26379), HostPort("::1", 7001)),
        "main",
        "ops",
        Secret("s3cret"),
    )
    assert "s3cret" not in repr(found)


def test_a_cluster_is_read(load: Load) -> None:
    """The URL is one node; there may be more."""
    found = load(
        'url = "redis://n1:7000"\ncluster = true\ntagged = true\n'
        'cluster_nodes = ["n2:7001"]'
    )

    assert found.cluster == ClusterOptions((HostPort("n2", 7001),))
    assert found.sentinel is None


CLUSTER = 'url = "redis://n1"\ncluster = true\ntagged = true\n'
SENTINELS = 'url = "redis:///0"\nsentinels = ["s1:7000"]\n'


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            'url = "redis://n1:7000"\ncluster = true',
            "tagged: must be true with cluster = true: a script changes several keys of"
            " one tenant, and a cluster allows that only where they share a slot; set"
            " tagged = true, and name the counters usage:{acme}:… with literal braces"
            " in the application, too",
        ),
        (
            'url = "redis://n1/2"\ncluster = true\ntagged = true',
            "url: names a database, and a cluster has only number 0; leave it out",
        ),
        (
            'url = "unix:///a"\ncluster = true\ntagged = true',
            "url: is a socket, and the nodes of a cluster are reached by TCP;"
            " write redis://host:port",
        ),
        (
            'url = "redis://n1"\ncluster_nodes = ["n2"]',
            "cluster_nodes: is of no use where Redis is no cluster; set cluster = true",
        ),
        (
            CLUSTER + 'cluster_nodes = ["a:b"]',
            "cluster_nodes: is not an address; write it like localhost:6379",
        ),
        (
            CLUSTER + 'cluster_nodes = ["a/b"]',
            "cluster_nodes: a/b is not an address; write it like localhost:6379",
        ),
        (
            'url = "redis://n1"\ntagged = true\nprefix = "{m}:"',
            "prefix: has a brace before the tenant's, which would be the hash tag;"
            " with tagged = true leave it out",
        ),
        (
            SENTINELS + 'master_name = "m"\ncluster = true\ntagged = true',
            "sentinels: a Redis Cluster has no Sentinels;"
            " leave out sentinels, or cluster = true",
        ),
        (
            SENTINELS,
            "master_name: is missing, and the Sentinels may watch several masters;"
            ' write what they call yours, like master_name = "mymaster"',
        ),
        (
            'url = "redis://h"\nsentinels = ["s1"]\nmaster_name = "m"',
            "url: names a server, and the Sentinels say which one it is;"
            " write redis:///0, or rediss:///0",
        ),
        (
            'url = "redis://h"\nmaster_name = "m"',
            "master_name: is of no use without sentinels;"
            ' name them: sentinels = ["host:26379"]',
        ),
        ('url = "redis:///0"', "url: the host is missing"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(
    load: Load, tmp_path: Path, lines: str, sentence: str
) -> None:
    """It names the file and the key, what is wrong, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        load(lines)

    assert str(caught.value) == f"{tmp_path / 'c.toml'}: contexts.a.redis.{sentence}"


def test_an_untagged_cluster_is_refused_without_a_file() -> None:
    """A program that makes its options itself is told the same."""
    with pytest.raises(ConfigError, match="share a slot"):
        RedisOptions("redis://h", cluster=ClusterOptions())

    tagged = RedisOptions("redis://h", layout=KeyLayout(tagged=True))
    assert tagged.cluster is None


def test_a_list_of_contexts_names_the_master(tmp_path: Path) -> None:
    """Where no URL says which server it is, the Sentinels are shown."""
    path = tmp_path / "c.toml"
    path.write_text(
        '[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "redis:///0"\n'
        'sentinels = ["s1:7000", "s2"]\nmaster_name = "main"\n'
    )

    (found,) = summaries(config=path, environ={})

    assert found.redis == "main of s1:7000, s2"


def test_certificates_are_found_beside_the_configuration(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As secrets are: whichever folder the program was started in."""
    away = tmp_path / "away"
    away.mkdir()
    for name in ("ours, 100% +.pem", "client.pem"):
        (tmp_path / name).touch()
    monkeypatch.chdir(away)
    url = (
        "rediss://h:7000/2?ssl_ca_certs=ours,%20100%25%20%2B.pem&db=3"
        f"&ssl_certfile={tmp_path}/client.pem&ssl_ca_path=away"
    )

    found: Mapping[str, object] = parse_url(load(f'url = "{url}"').url)

    assert found["ssl_ca_certs"] == str(tmp_path / "ours, 100% +.pem")
    assert found["ssl_certfile"] == str(tmp_path / "client.pem")
    assert found["ssl_ca_path"] == str(away)
    assert (found["host"], found["port"], found["db"]) == ("h", 7000, 3)


def test_certificates_are_found_where_sentinels_say_which_server_it_is(
    load: Load, tmp_path: Path
) -> None:
    """The URL goes on to name no host."""
    (tmp_path / "client.pem").touch()

    found = load(
        'url = "rediss:///0?ssl_certfile=client.pem"\n'
        'sentinels = ["s1"]\nmaster_name = "m"'
    )

    assert found.url == f"rediss:///0?ssl_certfile={tmp_path}/client.pem"


@pytest.mark.parametrize(
    ("name", "shown"), [("redis.crt", "redis.crt"), ("a%00b", "a␀b")]
)
def test_a_certificate_that_cannot_be_read_is_named(
    load: Load, tmp_path: Path, name: str, shown: str
) -> None:
    """Redis does not answer without it, and the client's error names no file."""
    with pytest.raises(ConfigError) as caught:
        load(f'url = "rediss://h?ssl_certfile={name}"')

    assert str(caught.value).startswith(
        f"{tmp_path / 'c.toml'}: contexts.a.redis.url: ssl_certfile:"
        f" {tmp_path}/{shown} cannot be read: "
    )


@pytest.mark.parametrize(
    ("mode", "lines", "sentence"),
    [
        ("live", 'url = "rediss://h"\ntls_verify = false', "is false, and the context"),
        ("test", 'url = "redis://h"\ntls_verify = false', "no certificate to verify"),
        (
            "test",
            'url = "rediss://h"\ntls_key_password = { env = "SENTINEL_PW" }',
            "opens no key: the url names none",
        ),
    ],
)
def test_tls_settings_that_do_not_fit_are_refused(
    tmp_path: Path, mode: str, lines: str, sentence: str
) -> None:
    """In one sentence, with the file and the key."""
    path = tmp_path / "c.toml"
    path.write_text(f'[contexts.a]\nmode = "{mode}"\n[contexts.a.redis]\n{lines}\n')

    with pytest.raises(ConfigError, match=r"c\.toml: contexts\.a\.redis\.tls.*: "):
        load_context(config=path, environ={"SENTINEL_PW": "s3cret"})
    with pytest.raises(ConfigError, match=sentence):
        load_context(config=path, environ={"SENTINEL_PW": "s3cret"})
