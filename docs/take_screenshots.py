"""Make the pictures of the README anew: `python docs/take_screenshots.py`.

Runs the real console on a sandbox of its own, so the pictures show what there is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.running_sandbox import RunningSandbox, running_sandbox

from meterdeck.core.sandbox.catalogue import sandbox_context
from meterdeck.tui.cli.actor import current_actor
from meterdeck.tui.console import ConsoleApp
from meterdeck.tui.runtime import EngineRuntime

IMAGES = Path(__file__).parent / "images"
_TRAFFIC_S = 40.0  # until trends and events look as they do in use
_SHOWN_S = 2.5  # until a screen has been told what it asks for

Keys = tuple[str, ...]
PICTURES: Sequence[tuple[str, tuple[int, int], Keys]] = (
    ("console", (128, 38), ()),
    ("console-80x24", (80, 24), ()),
    ("groups", (128, 38), ("b", "r")),
    ("tenant", (128, 38), ("b", "n", "down", "enter")),
    ("history", (128, 38), ("enter", "h")),
    ("overrides", (112, 24), ("O", "down")),
    ("alerts", (112, 24), ("L",)),
    ("health", (112, 30), ("H",)),
    ("pulse", (128, 38), ("p",)),
    ("adjust", (128, 38), ("a", "2", "0", "0", "tab", "tab", *"double", "space")),
    ("catalogue", (128, 38), ("c", "down")),
    ("costs", (120, 34), ("slash", *"labs", "enter", "enter")),
    ("faults", (112, 36), ("F", "p", "1", "ctrl+s")),
)
"""Name, size and the keys that lead there from the fleet.

The last ones leave something behind: a filter, a fault.
"""


def main() -> None:
    """Write every picture, or those that are named."""
    IMAGES.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:])
    with running_sandbox(tenants=60, traffic=True, operators=True) as sandbox:
        asyncio.run(_take_all(sandbox, wanted))


async def _take_all(sandbox: RunningSandbox, wanted: set[str]) -> None:
    context = sandbox_context(**sandbox.addresses)
    runtime = EngineRuntime(lambda: context)
    app = ConsoleApp(
        runtime,
        actor=current_actor,
        environ={"COLORTERM": "truecolor", "TERM": "xterm-256color"},
    )
    async with app.run_test(size=(128, 38)) as pilot:
        await _until(lambda: app.picture is not None and app.picture.loaded)
        await asyncio.sleep(_TRAFFIC_S)
        for name, size, keys in PICTURES:
            if wanted and name not in wanted:
                continue
            await pilot.resize_terminal(*size)
            await pilot.press(*keys)
            await asyncio.sleep(_SHOWN_S)
            _write(name, app.export_screenshot(title="meterdeck"))
            while len(app.screen_stack) > 1:
                app.pop_screen()
                await pilot.pause()
    runtime.stop()


def _write(name: str, svg: str) -> None:
    path = IMAGES / f"{name}.svg"
    path.write_text(svg, encoding="utf-8")
    sys.stderr.write(f"{path.name} {len(svg) // 1024} KB\n")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # the console sets no event for it
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
