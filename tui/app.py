"""Start and end of the console: terminal, signals, exit code.

Nothing here imports Textual before the environment it reads is set.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.model.text import visible
from meterdeck.core.settings.running_sandbox import state_dir
from meterdeck.tui.look import look_of
from meterdeck.tui.memory import FILE_NAME, Memory
from meterdeck.tui.runtime import EngineRuntime, Runtime
from meterdeck.tui.terminal import prepare

if TYPE_CHECKING:
    from meterdeck.core.settings.location import Tree
    from meterdeck.tui.console import ConsoleApp

DRAIN_S = 5.0
"""How long the end waits for what was already sent to the servers, in seconds."""
_HUNG_UP = 128 + signal.SIGHUP
_TERMINATED = 128 + signal.SIGTERM


def run_console(
    load: Callable[[], Context],
    *,
    title: str = "meterdeck",
    tree: Tree | None = None,
    opens: str = "",
) -> int:
    """Show the console until the operator leaves; return the exit code.

    Args:
        tree: The configuration file as it stands, for what the first paint needs.
        opens: The action that opens another screen than the tenants at once.

    Paints first; `load` then runs in the engine's thread. What it raises ends the
    console with its sentence on standard error.
    """
    prepare(os.environ)
    # Textual reads the environment when it is imported, so not at the top.
    from meterdeck.tui.cli.actor import current_actor  # noqa: PLC0415
    from meterdeck.tui.console import ConsoleApp  # noqa: PLC0415

    runtime = EngineRuntime(load)
    memory = Memory(state_dir() / FILE_NAME)
    look = look_of(tree or {}, os.environ, memory)
    app = ConsoleApp(
        runtime,
        title=title,
        actor=current_actor,
        memory=memory,
        theme=look.theme,
    )
    app.opens = opens
    ending = _handle_signals(app, runtime)
    app.run(mouse=look.mouse)
    runtime.drain(DRAIN_S)
    runtime.stop()
    if app.crash is not None:
        print(app.crash.sentence, file=sys.stderr)
        return 1
    if app.ended is not None:
        print(f"meterdeck: {_sentence(app.ended)}", file=sys.stderr)
    if ending.is_set():
        return _TERMINATED
    return app.return_code or 0


def _sentence(error: BaseException) -> str:
    if isinstance(error, MeterdeckError):
        return visible(str(error), 1000)
    return f"the engine stopped: {type(error).__name__}"


def _handle_signals(app: ConsoleApp, runtime: Runtime) -> threading.Event:
    """End on SIGHUP and SIGTERM; the event is set once SIGTERM has come.

    Handlers of the event loop would not do: with the terminal gone, the loop's thread
    hangs in a write. These only start a thread, which waits for what is in flight.
    """
    ending = threading.Event()

    def hang_up() -> None:
        runtime.drain(DRAIN_S)
        os._exit(_HUNG_UP)

    def terminate() -> None:
        runtime.drain(DRAIN_S)
        app.leave()
        # The process ends with its main thread and takes this one along. Where the
        # terminal does not take the last bytes, the end must come anyway.
        time.sleep(DRAIN_S)
        os._exit(_TERMINATED)

    def on_hang_up(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=hang_up, daemon=True).start()

    def on_terminate(number: int, frame: FrameType | None) -> None:
        if not ending.is_set():
            ending.set()
            threading.Thread(target=terminate, daemon=True).start()

    signal.signal(signal.SIGHUP, on_hang_up)
    signal.signal(signal.SIGTERM, on_terminate)
    return ending
