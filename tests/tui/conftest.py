"""How long somebody in front of the console waits between two keys."""

from asyncio import sleep
from time import monotonic, process_time

from textual import app

_LOOK_S = 1 / 200
_IDLE = 1 / 5
"""Share of a processor core, below which the console counts as idle."""


async def _until_idle(_min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Wait until the console does next to nothing.

    Textual's own looks every 20 ms, twice for each key that is pressed: a word cost
    half a second. After the last key its own is waited for as ever.
    """
    ends = monotonic() + max_sleep
    while monotonic() < ends:
        used = process_time()
        await sleep(_LOOK_S)
        if process_time() - used < _LOOK_S * _IDLE:
            return


vars(app)["wait_for_idle"] = _until_idle
