"""Addresses in `config show` and `contexts`: no password, however it is written."""

from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings import load_context
from meterdeck.core.settings.explain import explain, summaries


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:Xq3/tZ9kLs@host:6379/0", "••••"),
        ("redis://ops:123/tZ9kLs@host:6379/0", "••••"),
        ("redis://ops:123#tZ9kLs@host:6379/0", "••••"),
        ("redis://ops:123?tZ9kLs@host:6379/0", "••••"),
        ("redis://host:6379/0?password=tZ9kLs", "••••"),
        ("redis://host:6379/0?tZ9kLs", "••••"),
        ("redis://host:6379/0#tZ9kLs", "••••"),
        ("redis://[tZ9kLs/", "••••"),
        ("tZ9kLs", "••••"),
        ("redis://ops:tZ9%2FkLs@host:6379/0", "redis://••••@host:6379/0"),
        ("rediss://host/0?ssl_keyfile=/k.pem", "rediss://host/0?ssl_keyfile=/k.pem"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("redis:///0", "redis:///0"),
    ],
)
def test_an_address_is_shown_only_where_no_password_can_be_in_what_is_shown(
    tmp_path: Path, url: str, shown: str
) -> None:
    """A password's own `/`, `?` or `#` ends the host; what reads it may be wrong."""
    path = tmp_path / "c.toml"
    path.write_text(f'[contexts.a]\nmode = "test"\n[contexts.a.redis]\nurl = "{url}"\n')
    explained = explain(config=path, environ={}, flags={})
    found = {each.key: each.value for each in explained}

    (listed,) = summaries(config=path, environ={})

    assert (found["contexts.a.redis.url"], listed.redis) == (shown, shown)


@pytest.mark.parametrize(
    "redis",
    [
        'url = "redis://ops:123/tZ9kLs@host:6379/0"',
        'url = "redis://ops:123#tZ9kLs@host:6379/0"',
        'url = "redis://ops:123?tZ9kLs@host:6379/0"',
        'url = "redis://ops:123?tZ9kLs&x@host:6379/0"',
        'url = "redis:///0"\nsentinels = [":tZ9kLs@s1:1"]\nmaster_name = "m"',
        'url = "redis://h"\ntagged = true\ncluster = true\n'
        'cluster_nodes = [":tZ9kLs@n1:1"]',
    ],
)
def test_an_address_that_holds_a_password_where_none_can_be_is_refused_unquoted(
    tmp_path: Path, redis: str
) -> None:
    """Neither the error nor the settings as they are shown have any of it."""
    path = tmp_path / "c.toml"
    path.write_text(f'[contexts.a]\nmode = "test"\n[contexts.a.redis]\n{redis}\n')
    path.chmod(0o600)

    with pytest.raises(ConfigError) as caught:
        load_context(config=path, environ={})
    shown = explain(config=path, environ={}, flags={})

    assert "tZ9" not in str(caught.value)
    assert "tZ9" not in f"{shown} {summaries(config=path, environ={})}"
