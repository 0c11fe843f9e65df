"""`meterdeck` for the pages' shells, from a process that has imported everything.

Starting Python and the engine takes a second of processor time, and the pages run some
two hundred commands. What is forked here is the whole program, with the terminal,
folder and environment of whoever called it. Ctrl-C in a terminal is passed on. The
console is started as it is installed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
METERDECK = str(Path(sys.executable).with_name("meterdeck"))
_CONSOLE = ("demo", "pulse")
_MAIN = f"from {__name__} import main; main()"
# Plain enough for an interpreter without its library of packages: 10 ms a call.
_SHIM = f"""#!{sys.executable} -ISu
import json, os, signal, socket, sys
words = sys.argv[1:]
if not words or words[0] in {_CONSOLE}:
    os.execv({METERDECK!r}, [{METERDECK!r}, *words])
asked = json.dumps([words, dict(os.environ), os.getcwd()]).encode()
with socket.socket(socket.AF_UNIX) as call:
    call.connect(os.environ["PAGES_SOCKET"])
    socket.send_fds(call, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    call.sendall(asked)
    child = int.from_bytes(call.recv(4), "big")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(child, number))
    code = call.recv(1)
sys.exit(code[0] if code else 70)
"""


@contextmanager
def quick_meterdeck(folder: Path) -> Iterator[dict[str, str]]:
    """Put a `meterdeck` into `folder`; yield the environment in which it works."""
    path = folder / "socket"
    shim = folder / "meterdeck"
    shim.write_text(_SHIM)
    shim.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(16)
        server = subprocess.Popen(
            [sys.executable, "-c", _MAIN, str(listening.fileno())],
            pass_fds=(listening.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        yield {"PAGES_SOCKET": str(path)}
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # and whatever of it is left
        server.wait()


def main() -> None:
    """Import the program, then fork for each caller until SIGTERM."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    package = importlib.import_module("meterdeck.tui.cli")
    for found in pkgutil.iter_modules(package.__path__, "meterdeck.tui.cli."):
        importlib.import_module(found.name)
    for name in ("stripe", "redis.asyncio", "aiohttp", "pydantic_settings", "tomlkit"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each child's first collection copies everything
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        call, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(call)
        call.close()


def _answer(call: socket.socket) -> None:
    """Run one command as the caller would; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 70
    try:
        size, given, _, _ = socket.recv_fds(call, 4, 3)
        words, environment, folder = json.loads(
            _exactly(call, int.from_bytes(size, "big"))
        )
        for number, fd in enumerate(given):
            os.dup2(fd, number)
            os.close(fd)
        call.sendall(os.getpid().to_bytes(4, "big"))
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        code = _run(words)
    except BaseException:  # it is the last that happens, and it is written down
        traceback.print_exc()
    finally:
        call.sendall(bytes([code & 255]))
        os._exit(0)


def _exactly(call: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        read += call.recv(size - len(read))
    return read


def _run(words: list[str]) -> int:
    from meterdeck.tui.cli.main import main as meterdeck  # noqa: PLC0415  # imported

    sys.argv[:] = ["meterdeck", *words]
    lines = os.isatty(1)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(  # noqa: SIM115  # ends with the process
        1, "w", encoding="utf-8", closefd=False, buffering=1 if lines else -1
    )
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    try:
        code = meterdeck(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
