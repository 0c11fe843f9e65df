"""Run a soak and print its balance sheet; ends with 1 where it does not balance."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.run import soak
from tests.soak.sheet import markdown


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tenants", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="keep everything there")
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="md-soak-") as made:
        folder = args.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        sheet = asyncio.run(soak(folder, args.minutes * 60, args.seed, args.tenants))
    print(markdown(sheet))
    sys.stdout.flush()
    return 0 if sheet.balances else 1


if __name__ == "__main__":
    sys.exit(main())
