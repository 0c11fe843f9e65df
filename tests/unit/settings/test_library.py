"""Settings of the library: what fails open, and how calls behave without Redis."""

from pathlib import Path

import pytest

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import Context, LibraryOptions
from meterdeck.core.model.usage import OnFault
from meterdeck.core.settings import load_context, spool_directory

CONFIG = """
[resources.api_calls]
on_fault = "fail_open"
[resources.images]
[contexts.production]
mode = "live"
[contexts.production.redis]
url = "redis://localhost"
[contexts.production.stripe]
api_key = {{ env = "NOT_HERE" }}
{library}
"""
LIBRARY = """
[contexts.production.library]
call_timeout_seconds = 0.25
circuit_failures = 3
circuit_pause_seconds = 2
give_back_seconds = 5
spool_directory = "{directory}"
spool_megabytes = 8
"""


def load(tmp_path: Path, text: str, **environ: str) -> Context:
    """Load the context of a configuration without Stripe."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(text)
    return load_context(config=path, environ=environ, with_stripe=False)


def test_the_library_has_defaults_and_fails_closed(tmp_path: Path) -> None:
    """Without a table of its own; a resource fails open only where it says so."""
    context = load(tmp_path, CONFIG.format(library=""))

    assert context.library == LibraryOptions()
    assert [each.on_fault for each in context.resources] == [
        OnFault.FAIL_OPEN,
        OnFault.FAIL_CLOSED,
    ]


def test_every_setting_of_the_library_is_taken(tmp_path: Path) -> None:
    """In the units that their names say."""
    text = CONFIG.format(library=LIBRARY.format(directory="/var/spool/meterdeck"))

    assert load(tmp_path, text).library == LibraryOptions(
        call_timeout_s=0.25,
        circuit_failures=3,
        circuit_pause_s=2.0,
        give_back_s=5.0,
        spool_dir=Path("/var/spool/meterdeck"),
        spool_bytes=8 * 2**20,
    )


def test_the_spool_is_in_the_state_folder_unless_it_is_named(tmp_path: Path) -> None:
    """One directory a context: they count in different servers."""
    state = {"METERDECK_STATE_DIR": "/state"}
    default = load(tmp_path, CONFIG.format(library=""))
    named = load(tmp_path, CONFIG.format(library=LIBRARY.format(directory="/spool")))

    assert spool_directory(default, state) == Path("/state/spool/production")
    assert spool_directory(named, state) == Path("/spool")


def test_stripes_key_is_left_where_it_is(tmp_path: Path) -> None:
    """Without Stripe it need not be there; with it, it is missed."""
    context = load(tmp_path, CONFIG.format(library=""))

    assert context.stripe is None
    with pytest.raises(ConfigError, match="NOT_HERE"):
        load_context(config=tmp_path / "meterdeck.toml", environ={})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"fail_open"', '"fail_opn"', "resources.api_calls.on_fault"),
        ('"/spool"', '"spool"', "spool_directory: is not an absolute path"),
        ("circuit_failures = 3", "circuit_failures = 0", "circuit_failures"),
        ("spool_megabytes = 8", "spool_kilobytes = 8", "spool_megabytes"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """One sentence with file and key."""
    text = CONFIG.format(library=LIBRARY.format(directory="/spool"))
    assert text.count(old) == 1

    with pytest.raises(ConfigError, match=problem) as caught:
        load(tmp_path, text.replace(old, new))

    assert "meterdeck.toml" in str(caught.value)
    assert "\n" not in str(caught.value)
