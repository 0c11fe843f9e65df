"""What docs/redis-contract.md says, taken out of it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "redis-contract.md").read_text()
LUA = ROOT / "core" / "adapters" / "lua"


def documented_text(script: str) -> bytes:
    """Build a script's text as the document says."""
    row = re.search(rf"^\| {script} \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert row is not None
    names = re.findall(r"`(\w+\.lua)`", row[1])
    return b"#!lua\n" + b"\n".join((LUA / name).read_bytes() for name in names)
