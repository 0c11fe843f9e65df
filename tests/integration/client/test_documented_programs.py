"""The Python programs in docs/library.md and the README, run as they stand there.

Each block runs by itself, indented into a function, with everything of
`meterdeck.core.client` and the names that it takes from the application around it:
those of `Application`.
"""

import asyncio
import inspect
import re
import runpy
import textwrap
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.metering import counted

from meterdeck.core import client
from meterdeck.core.adapters.redis_client import Redis, execute_write
from meterdeck.core.client import MeterClient, SyncMeterClient
from meterdeck.core.sandbox.valkey import Valkey

ROOT = Path(__file__).parents[3]
CONFIG = """
[contexts.production]
mode = "live"

[contexts.production.redis]
url = "{url}"

[contexts.production.library]
call_timeout_seconds = 10
spool_directory = "{spool}"

[resources.api_calls]
[resources.images]
[resources.disk_gb]
scale = 3
kind = "gauge"
[resources.active_users]
kind = "unique"
[resources.renders]
meter = "renders"
billed_by = "events"
"""


@dataclass(frozen=True)
class Program:
    """A block of a document, and the line it begins on."""

    path: str
    line: int
    text: str

    @property
    def waits(self) -> bool:
        """Whether it is for an event loop."""
        return re.search(r"\b(await|async)\b", self.text) is not None

    async def run(self, folder: Path, names: Mapping[str, Any]) -> Any:
        """Run it; return what it returns, or else its names.

        A name that is missing is one of the application's: give it to `Application`.
        """
        head = "async def program():\n" if self.waits else "def program():\n"
        body = textwrap.indent(self.text, "    ") + "    return locals()\n"
        path = folder / "program.py"
        path.write_text("\n" * (self.line - 2) + head + body)  # errors name our line
        program = runpy.run_path(str(path), {**vars(client), **names})["program"]
        if self.waits:
            return await program()
        return await asyncio.to_thread(program)


def programs(path: str) -> list[Program]:
    """Return the Python blocks of a document."""
    text = (ROOT / path).read_text()
    return [
        Program(path, text.count("\n", 0, found.start()) + 2, found[1])
        for found in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)
    ]


ALL = programs("docs/library.md") + programs("README.md")


class RenderError(Exception):
    """Images could not be made."""


class Application:
    """What the programs take from the application around them."""

    def __init__(self, meter: MeterClient) -> None:
        self.warned: list[str] = []
        self.names: dict[str, Any] = {
            "meter": meter,
            "timedelta": timedelta,
            "request_id": "request-1",
            "job_id": "job-1",
            "prompt": "a deck of cards",
            "user": SimpleNamespace(id="ada"),
            "RenderError": RenderError,
            "render": self.render,
            "too_many": lambda answer: answer,
            "bytes_used": self.bytes_used,
            "warn": self.warn,
        }

    async def render(self, prompt: str, *, at_most: int) -> list[str]:
        """Make one image fewer than it may."""
        return [prompt] * (at_most - 1)

    async def bytes_used(self, tenant: str) -> int:
        """Return a level."""
        return 1_234_000_000

    async def warn(self, tenant: str) -> None:
        """Note who is over a limit."""
        self.warned.append(tenant)


@pytest.fixture(autouse=True)
def configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, valkey: Valkey, spool_dir: Path
) -> None:
    """A configuration with a context named production, found as an application does."""
    path = tmp_path / "meterdeck.toml"
    path.write_text(CONFIG.format(url=valkey.url, spool=spool_dir))
    monkeypatch.setenv("METERDECK_CONFIG", str(path))


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    """An application with an open client."""
    async with MeterClient.open(context="production") as meter:
        yield Application(meter)


@pytest.mark.parametrize("program", ALL, ids=lambda each: f"{each.path}:{each.line}")
async def test_a_documented_program_runs_and_counts(
    tmp_path: Path, program: Program, application: Application, valkey_client: Redis
) -> None:
    """As it stands there: no name of ours has changed, and something was counted."""
    await program.run(tmp_path, application.names)

    assert await valkey_client.keys("usage:*")


def about(word: str) -> Program:
    """Return the only program of docs/library.md in which `word` stands."""
    (found,) = [each for each in programs("docs/library.md") if word in each.text]
    return found


async def limit_to(redis: Redis, resource: str, units: int) -> None:
    """Give acme another limit."""
    key = f"meterdeck:override:acme:{resource}"
    await execute_write(
        redis, "HSET", key, "units", units, what="limit", operation_id=""
    )


async def test_the_documents_have_programs_to_run() -> None:
    """None of them is passed by because its fence is written otherwise."""
    text = (ROOT / "docs/library.md").read_text() + (ROOT / "README.md").read_text()

    assert text.count("```py") == len(ALL) >= 5


async def test_the_documented_failure_gives_back_what_was_counted(
    tmp_path: Path, application: Application, valkey: Valkey
) -> None:
    """Four images are counted, and none is once the work has failed."""
    program = about("job_id")
    failing = replace(
        program, text=program.text.replace("...\n", "raise RenderError\n")
    )

    await program.run(tmp_path, application.names)
    worked = await counted(valkey.url, "acme", "images")
    await failing.run(tmp_path, application.names)  # a repeat: the same four

    assert worked == 4
    assert await counted(valkey.url, "acme", "images") == 0


async def test_the_documented_reading_says_that_it_is_over_the_limit(
    tmp_path: Path, application: Application, valkey: Valkey, valkey_client: Redis
) -> None:
    """The level is recorded all the same."""
    program = about("set_gauge")
    await program.run(tmp_path, application.names)
    within = list(application.warned)
    await limit_to(valkey_client, "disk_gb", 1000)
    await program.run(tmp_path, application.names)

    assert (within, application.warned) == ([], ["acme"])
    assert await counted(valkey.url, "acme", "disk_gb", "now") == 1234


async def test_the_documented_reservation_keeps_what_was_made(
    tmp_path: Path, application: Application, valkey: Valkey
) -> None:
    """Three of four images; the fourth is given back."""
    await about("held.keep").run(tmp_path, application.names)

    assert await counted(valkey.url, "acme", "images") == 3


async def test_the_documented_reservation_is_refused_at_the_limit(
    tmp_path: Path, application: Application, valkey: Valkey, valkey_client: Redis
) -> None:
    """It answers with the refusal, and nothing was made or counted."""
    await limit_to(valkey_client, "images", 3)

    answer = await about("held.keep").run(tmp_path, application.names)

    assert not answer.allowed
    assert await counted(valkey.url, "acme", "images") == 0


@pytest.mark.parametrize("kind", [MeterClient, SyncMeterClient])
def test_the_table_of_calls_has_the_arguments_that_there_are(
    kind: type[MeterClient | SyncMeterClient],
) -> None:
    """Each call of the table, by the names and in the order of its arguments."""
    text = (ROOT / "docs/library.md").read_text()
    cells = re.findall(
        r"^\| (`(?:MeterClient|await|async|units|status).*?`) \|", text, re.M
    )
    calls = re.findall(r"`[^`]*?(\w+)\((.*?)\)[^`]*`", " ".join(cells))
    wrong = []

    for name, written in calls:
        wanted = re.findall(r"(?:^|, )(\w+)", written)
        has = list(inspect.signature(getattr(kind, name)).parameters)
        has.remove("self") if "self" in has else None
        if has[: len(wanted)] != wanted or ("…" not in written and has != wanted):
            wrong.append((name, wanted, has))

    assert wrong == []
    assert len(calls) >= 10
