"""Adds to a wheel what the grammar prints: manual page and the shells' completion."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_WHERE = {
    "meterdeck.1": "share/man/man1/meterdeck.1",
    "bash": "share/bash-completion/completions/meterdeck",
    "zsh": "share/zsh/site-functions/_meterdeck",
    "fish": "share/fish/vendor_completions.d/meterdeck.fish",
}
# The folders core/ and tui/ are the package; whatever else is installed is not meant.
_PRINT = """
import sys, types
root, folder = sys.argv[1:]
package = types.ModuleType("meterdeck")
package.__path__ = [root]
sys.modules["meterdeck"] = package
sys.dont_write_bytecode = True
from pathlib import Path
from meterdeck.tui.cli.completion import shell_script
from meterdeck.tui.cli.man_page import man_page
texts = {shell: shell_script(shell) for shell in ("bash", "zsh", "fish")}
for name, text in {**texts, "meterdeck.1": man_page()}.items():
    Path(folder, name).write_text(text, encoding="utf-8")
"""


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling around the building of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Print the files into a folder that lasts as long as the build."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(prefix="meterdeck-")
        command = [sys.executable, "-c", _PRINT, self.root, self._folder.name]
        subprocess.run(command, check=True, cwd=self._folder.name)
        for name, path in _WHERE.items():
            build_data["shared_data"][str(Path(self._folder.name, name))] = path

    def finalize(self, version: str, build_data: dict[str, Any], artifact: str) -> None:
        """Remove the folder."""
        if version != "editable":
            self._folder.cleanup()
