"""Version, changelog, tag and unit file agree, as a release needs it."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from meterdeck.core.version import RELEASED, VERSION

ROOT = Path(__file__).parents[2]
GOOD = f"# Changelog\n\n## [Unreleased]\n\n## [{VERSION}] - {RELEASED}\n\n### Added\n"


def problems(version: str, released: str, text: str, tag: str = "") -> list[str]:
    """Ask the script that `make release-check` runs."""
    path = ROOT / "contrib" / "release_check.py"
    spec = importlib.util.spec_from_file_location("release_check", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[str] = module.problems(version, released, text, tag)
    return found


def test_a_release_whose_papers_agree_is_let_through() -> None:
    """And each thing that does not agree is one sentence."""
    assert problems(VERSION, RELEASED, GOOD, f"v{VERSION}") == []
    assert len(problems(VERSION, RELEASED, GOOD, "v9.9.9")) == 1
    assert len(problems("9.9.9", RELEASED, GOOD)) == 1
    late = GOOD.replace("[Unreleased]\n", "[Unreleased]\n\n### Fixed\n\n- A thing.\n")
    assert len(problems(VERSION, RELEASED, late)) == 1
    assert len(problems(VERSION, RELEASED, GOOD + "### News\n")) == 1


def test_the_changelog_has_the_version_of_the_code_as_its_newest_release() -> None:
    """What is not released yet may stand above it."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    found = problems(VERSION, RELEASED, text)

    assert [each for each in found if "[Unreleased] has entries" not in each] == []


def test_systemd_accepts_the_unit() -> None:
    """By its own verifier, where it is installed."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("METERDECK_REQUIRE_ALL") == "1":
            pytest.fail("systemd-analyze is missing and METERDECK_REQUIRE_ALL is 1")
        # Not everybody who works on this has systemd; CI installs it.
        pytest.skip("systemd-analyze is not installed")
    unit = ROOT / "contrib" / "systemd" / "meterdeck-sync@.service"

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
