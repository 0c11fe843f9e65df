"""Whether version, changelog and tag agree; `make release-check` runs it.

python contrib/release_check.py          before the tag is made
python contrib/release_check.py v1.2.3   with the tag, as CI does
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
_HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
_KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def problems(version: str, released: str, changelog: str, tag: str = "") -> list[str]:
    """Return a sentence for each thing that keeps a version from being released."""
    found = []
    if not _SEMANTIC.fullmatch(version):
        found.append(f"core/version.py: {version} is no semantic version; write 1.2.3")
    if tag and tag != f"v{version}":
        found.append(f"the tag is {tag}, the version {version}: tag it v{version}")
    headings = _HEADING.findall(changelog)
    if not headings or headings[0][0] != "Unreleased":
        found.append("CHANGELOG.md: begin with ## [Unreleased]")
    if (version, released) not in headings:
        found.append(f"CHANGELOG.md: has no heading ## [{version}] - {released}")
    elif headings[1][0] != version:
        found.append(f"CHANGELOG.md: [{version}] is not the newest release there")
    if _section(changelog, "Unreleased").strip():
        found.append(f"CHANGELOG.md: [Unreleased] has entries; put them in [{version}]")
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    found += [f"CHANGELOG.md: ### {kind} is no kind" for kind in sorted(kinds - _KINDS)]
    return found


def _section(changelog: str, name: str) -> str:
    begin = re.search(rf"^## \[{re.escape(name)}\].*$", changelog, re.MULTILINE)
    if begin is None:
        return ""
    return changelog[begin.end() :].partition("\n## [")[0]


def main(tag: str) -> int:
    """Print what is wrong; end with 1 if anything is."""
    text = (ROOT / "core/version.py").read_text(encoding="utf-8")
    values = dict(re.findall(r'^(\w+) = "([^"]+)"$', text, re.MULTILINE))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = problems(values["VERSION"], values["RELEASED"], changelog, tag)
    print("\n".join(found) or f"{values['VERSION']} can be released")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
