"""Where the settings are looked for."""

from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.settings import find_config, load_context


def test_the_file_is_searched_in_four_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flag, METERDECK_CONFIG, the working directory, then the configuration home."""
    here, home = tmp_path / "here", tmp_path / "home" / "meterdeck"
    for folder in (here, home):
        folder.mkdir(parents=True)
    flag, named, local = tmp_path / "a", tmp_path / "b", here / "meterdeck.toml"
    at_home = home / "config.toml"
    for path in (flag, named, local, at_home):
        path.write_text("")
    monkeypatch.chdir(here)
    environ = {"METERDECK_CONFIG": str(named), "XDG_CONFIG_HOME": str(home.parent)}

    assert find_config(flag, environ) == flag
    assert find_config(None, environ) == named
    del environ["METERDECK_CONFIG"]
    found = find_config(None, environ)
    assert found is not None
    assert found.resolve() == local
    local.unlink()
    assert find_config(None, environ) == at_home
    at_home.unlink()
    assert find_config(None, environ) is None


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A mistyped path is not a reason to use another file."""
    with pytest.raises(ConfigError, match=r"METERDECK_CONFIG: there is no file"):
        find_config(None, {"METERDECK_CONFIG": str(tmp_path / "none.toml")})


def test_where_nobody_can_look_there_is_nothing_but_for_a_named_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that may not be entered, or as here a name that no disk takes."""
    monkeypatch.chdir(tmp_path)
    beyond = tmp_path / ("x" * 300) / "a.toml"

    assert find_config(None, {"XDG_CONFIG_HOME": str(beyond)}) is None
    with pytest.raises(ConfigError, match=r"--config: .* cannot be looked for: File"):
        find_config(beyond, {})
    with pytest.raises(ConfigError, match=r"METERDECK_CONFIG: .* cannot be looked"):
        find_config(None, {"METERDECK_CONFIG": str(beyond)})


def test_without_any_configuration_the_way_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing a newcomer reads points to demo and init."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load_context(environ={"XDG_CONFIG_HOME": str(tmp_path)})

    assert "`meterdeck demo`" in str(caught.value)
    assert "`meterdeck init`" in str(caught.value)


def test_a_sandbox_is_never_chosen_by_itself(tmp_path: Path) -> None:
    """It must be named; without one that runs, the sentence says how to start it."""
    environ = {"METERDECK_STATE_DIR": str(tmp_path), "METERDECK_CONTEXT": "sandbox"}

    with pytest.raises(ConfigError, match="start one with: meterdeck sandbox"):
        load_context(environ=environ)
