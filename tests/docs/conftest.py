"""Machines on which pages are followed: what they need beside them runs once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from tests.docs.follow import STATE, Reader, environment_of, make_home
from tests.docs.pages import Page
from tests.docs.quick import quick_meterdeck
from tests.docs.shell import OtherTerminal

from meterdeck.core.model.keys import KeyLayout

Follow = Callable[[Page], Reader]


@pytest.fixture(scope="module")
def follow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follow]:
    """Follow a page: in a new home, beside what it needs."""
    folder = tmp_path_factory.mktemp("d")
    beside: dict[str, Path] = {}
    with ExitStack() as stack:
        quick = stack.enter_context(quick_meterdeck(folder))

        def beside_it(command: str) -> Path | None:
            if command and command not in beside:
                home = folder / f"sandbox{len(beside)}"
                home.mkdir()
                terminal = OtherTerminal(command, home, environment_of(home, {}))
                stack.enter_context(terminal)
                assert terminal.until(lambda text: "Ctrl-C" in text), terminal.text
                _await_worker(terminal, home)
                beside[command] = home
            return beside.get(command)

        def follow(page: Page) -> Reader:
            home = folder / page.path.replace("/", "-").removesuffix(".md")
            make_home(home, folder / "meterdeck", beside_it(page.needs))
            reader = Reader(home, environment_of(home, quick))
            reader.follow(page)
            return reader

        yield follow


def _await_worker(terminal: OtherTerminal, home: Path) -> None:
    """Begin as a reader does, who needs some time until the second terminal is open."""
    told = json.loads((home / STATE / "sandbox.json").read_text())
    with Redis.from_url(told["redis_url"]) as redis:
        workers = KeyLayout().workers()
        assert terminal.until(lambda _: redis.hlen(workers) > 0), terminal.text
