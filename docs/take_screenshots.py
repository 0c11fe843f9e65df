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
_TRAFFIC_S = 25.0  # until trends and events look as they do in use

PICTURES: Sequence[tuple[str, tuple[int, int], tuple[str, ...]]] = (
    ("console", (128, 38), ()),
    ("console-80x24", (80, 24), ()),
    ("tenant", (128, 38), ("down", "enter")),
    ("adjust", (128, 38), ("a", "2", "0", "0", "tab", "tab", *"double", "space")),
    ("override", (128, 38), ("o",)),
    ("events", (128, 38), ("e",)),
    ("catalogue", (128, 38), ("c", "down")),
    ("costs", (120, 34), ("slash", *"labs", "enter", "enter")),
    ("faults", (112, 36), ("F", "p", "1")),
    ("help", (128, 38), ("question_mark",)),
)


def main() -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:])
    with running_sandbox(tenants=60, traffic=True) as sandbox:
        for name, size, keys in PICTURES:
            if not wanted or name in wanted:
                asyncio.run(_take(sandbox, name, size, keys))


async def _take(
    sandbox: RunningSandbox, name: str, size: tuple[int, int], keys: Sequence[str]
) -> None:
    context = sandbox_context(**sandbox.addresses)
    runtime = EngineRuntime(lambda: context)
    app = ConsoleApp(
        runtime,
        actor=current_actor,
        environ={"COLORTERM": "truecolor", "TERM": "xterm-256color"},
    )
    async with app.run_test(size=size) as pilot:
        await _until(lambda: app.picture is not None and app.picture.loaded)
        await asyncio.sleep(_TRAFFIC_S)
        await pilot.press(*keys)
        await asyncio.sleep(1.5)
        svg = app.export_screenshot(title="meterdeck")
    runtime.stop()
    path = IMAGES / f"{name}.svg"
    path.write_text(svg, encoding="utf-8")
    sys.stderr.write(f"{path.name} {len(svg) // 1024} KB\n")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # the console sets no event for it
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
