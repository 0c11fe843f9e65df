"""The zygote of workers, and the table of what the runs showed."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.support import doomed_worker
from tests.support.fault_run import FULL, Finding, Stage
from tests.support.stripe_side import running_stripe
from tests.support.zygote import Zygote

_FOUND = pytest.StashKey[list[Finding]]()
_COLUMNS = (
    ("run", "name", "<44"),
    ("workers", "workers", ">7"),
    ("killed", "kills", ">6"),
    ("Redis killed", "server_kills", ">12"),
    ("events", "events", ">8,"),
    ("requests", "requests", ">8,"),
    ("units", "units", ">9,"),
    ("samples", "samples", ">7"),
    ("lost", "lost", ">4"),
    ("double", "double", ">6"),
    ("seconds", "took_s", ">7.0f"),
)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """What all workers are forked from."""
    log = tmp_path_factory.mktemp("zygote") / "complaints"
    with Zygote(doomed_worker.__name__, log=log) as running:
        yield running


@pytest.fixture
async def stage(zygote: Zygote, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A Stripe of this test alone, and the table."""
    findings = request.config.stash.setdefault(_FOUND, [])
    async with running_stripe() as stripe:
        yield Stage(zygote, stripe, findings.append)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what the runs showed, where it was asked for: see `make faults`."""
    findings = config.stash.get(_FOUND, [])
    if not FULL or not findings:
        return
    write = terminalreporter.write_line
    terminalreporter.section("delivery under faults")
    write("| " + " | ".join(title for title, *_ in _COLUMNS) + " |")
    write("|--|" + "--:|" * (len(_COLUMNS) - 1))
    for finding in findings:
        cells = (format(getattr(finding, name), form) for _, name, form in _COLUMNS)
        write("| " + " | ".join(cells) + " |")
