"""Measure, print, and write the tables into docs/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

from bench import (
    command_line,
    console,
    console_scale,
    counting,
    delivery,
    exactness,
    memory,
)
from bench.report import Section, write_page
from meterdeck.core.sandbox.valkey import Valkey


def _counting(quick: bool) -> Section:
    rounds, seconds = (5, 0.2) if quick else (9, 1.0)
    return _on_a_server(
        lambda server: counting.run(server, rounds=rounds, seconds=seconds)
    )


def _exactness(quick: bool) -> Section:
    rounds = 3 if quick else 9
    return _on_a_server(lambda server: exactness.run(server.url, rounds=rounds))


def _memory(quick: bool) -> Section:
    rounds = 1 if quick else 3
    return _on_a_server(lambda server: memory.run(server.url, rounds=rounds))


def _delivery(quick: bool) -> Section:
    rounds, seconds = (3, 0.3) if quick else (5, 2.0)
    return asyncio.run(delivery.run(rounds=rounds, seconds=seconds))


def _on_a_server(
    measure: Callable[[Valkey], Coroutine[None, None, Section]],
) -> Section:
    async def run() -> Section:
        with tempfile.TemporaryDirectory(prefix="md-bench-") as folder:
            async with Valkey(data_dir=Path(folder), port=None) as server:
                return await measure(server)

    return asyncio.run(run())


def _console(quick: bool) -> Section:
    return console.run(rounds=5 if quick else 9, window_s=1 if quick else 5)


def _console_scale(quick: bool) -> Section:
    if quick:
        return console_scale.run(presses=3, window_s=1, sizes=(100, 10_000))
    return console_scale.run(presses=5, window_s=3)


def _command_line(quick: bool) -> Section:
    return command_line.run(rounds=5 if quick else 9, starts=1 if quick else 5)


PARTS: Mapping[str, Callable[[bool], Section]] = {
    "counting": _counting,
    "exactness": _exactness,
    "memory": _memory,
    "delivery": _delivery,
    "console": _console,
    "console-scale": _console_scale,
    "command-line": _command_line,
}


def main() -> None:
    """Run the parts asked for, one after the other."""
    asked = _arguments()
    for name in asked.only or PARTS:
        section = PARTS[name](asked.quick)
        print(section.plain(), end="\n\n", flush=True)
        if not (asked.no_write or asked.quick):
            write_page(section)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=list(PARTS),
        help="measure this part alone; may be given several times",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="short rounds, under a minute in all; too noisy to be written",
    )
    parser.add_argument(
        "--no-write", action="store_true", help="leave docs/performance.md as it is"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
