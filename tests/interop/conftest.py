"""What the tests of other languages' clients share."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.node import node_modules

INTEROP = Path(__file__).parent
CLIENTS = INTEROP.parents[1] / "docs" / "clients"


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an application's: the client copied, its modules, our programs, and
    in `scripts` what `meterdeck scripts` writes."""
    node_modules(INTEROP)
    folder = tmp_path_factory.mktemp("javascript")
    for program in (*CLIENTS.glob("*.mjs"), *INTEROP.glob("*.mjs")):
        shutil.copy(program, folder)
    (folder / "node_modules").symlink_to(INTEROP / "node_modules")
    meterdeck = Path(sys.executable).with_name("meterdeck")
    subprocess.run(
        [meterdeck, "scripts", folder / "scripts"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder
