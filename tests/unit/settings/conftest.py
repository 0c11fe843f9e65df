"""Configuration files for tests of what they may say."""

from pathlib import Path

import pytest
from tests.support.settings_file import Config, Write


@pytest.fixture
def config(tmp_path: Path) -> Write:
    """Write a configuration file."""

    def write(text: str) -> Config:
        path = tmp_path / "meterdeck.toml"
        path.write_text(text)
        path.chmod(0o644)
        return Config(path)

    return write
