"""What a hundred consoles in one process need not do again, and when one is idle.

They write their files into a folder of the tests.
"""

from asyncio import get_running_loop, sleep
from collections.abc import Iterator
from time import monotonic, thread_time
from typing import Any, cast

import pytest
from textual import app
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_LOOK_S = 1 / 200
_IDLE = 1 / 5
"""Share of a processor core, below which the console counts as idle.

An engine in a thread of its own does not count: with one, no key would ever be over.
Where others have the core, a busy console uses little of it as well: then something
is still ready to run.
"""


async def _until_idle(_min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Wait until the console does next to nothing.

    Textual's own looks every 20 ms, twice for each key that is pressed: a word cost
    half a second. After the last key its own is waited for as ever.
    """
    ends = monotonic() + max_sleep
    loop = cast("Any", get_running_loop())
    while monotonic() < ends:
        used = thread_time()
        await sleep(_LOOK_S)
        if thread_time() - used < _LOOK_S * _IDLE and not loop._ready:
            return


_parse_rules = Stylesheet._parse_rules
_parsed: dict[object, list[RuleSet]] = {}


def _parse_once(sheet: Stylesheet, css: str, **how: Any) -> list[RuleSet]:
    """Parse each style sheet once, not once for each console that is started.

    Textual keeps what it has parsed by the same key, in each sheet for itself.
    """
    key = (css, *how.items(), *sheet._variables.items())
    if key not in _parsed:
        _parsed[key] = _parse_rules(sheet, css, **how)
    return _parsed[key]


vars(app)["wait_for_idle"] = _until_idle
Stylesheet._parse_rules = _parse_once  # type: ignore[assignment,method-assign]


@pytest.fixture(scope="module", autouse=True)
def _here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Be in a folder of our own: a handoff is written where the console was started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield
