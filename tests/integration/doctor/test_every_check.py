"""Every check of the code: it fails alone, and passes when mended."""

import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest
from tests.integration.doctor.breaks import BREAKS
from tests.integration.doctor.conftest import Ward, counter

from meterdeck.core.errors import Refused
from meterdeck.core.model.diagnosis import Severity
from meterdeck.core.services import doctor as package
from meterdeck.core.services.doctor.check import Check
from meterdeck.core.services.doctor.doctor import CHECKS
from meterdeck.core.services.doctor.remedies import REMEDIES

WRONG = (Severity.WARNING, Severity.FAULT)
PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
FIRST = {"redis", "stripe", "key"}
"""Where these fail others cannot be looked at, and say so."""


def written() -> set[str]:
    """Return the names of all checks that the package's modules hold."""
    found: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(import_module(module.name)).values():
            several = value if isinstance(value, tuple) else (value,)
            found |= {each.name for each in several if isinstance(each, Check)}
    return found


def test_every_check_that_is_written_is_made_and_can_be_broken() -> None:
    """A check without a way to break it is not known to find anything."""
    names = [each.name for each in CHECKS]
    assert len(names) == len(set(names))
    assert set(names) == written() == set(BREAKS)
    assert REMEDIES.keys() <= set(names)


def test_the_documented_table_is_that_of_the_code() -> None:
    """Each check in its order, what it looks at, why, and whether it can be mended."""
    rows = [
        f"| `{each.name}` | {each.looks} | {each.why} |"
        f"{' yes' if each.name in REMEDIES else ''} |"
        for each in CHECKS
    ]
    text = PAGE.read_text()
    assert "\n".join(rows) in text, "\n".join(rows)
    mended = re.findall(r"^\| `(\w+)` \| ", text.partition("## What `--fix`")[2], re.M)
    assert mended == list(REMEDIES)


async def test_a_healthy_context_has_nothing_to_mend(billed_ward: Ward) -> None:
    """Every check passes, with Stripe, and each says why it matters."""
    found = await billed_ward.findings()

    assert {n: f for n, f in found.items() if f.severity is not Severity.OK} == {}
    assert set(found) == set(BREAKS)
    assert all(each.why for each in found.values())


@pytest.mark.parametrize("name", [each.name for each in CHECKS])
async def test_a_check_fails_alone_and_passes_when_mended(
    billed_ward: Ward, name: str
) -> None:
    """All others pass; or, where a server cannot be asked, say so."""
    async with BREAKS[name](billed_ward):
        found = await billed_ward.wrong()
        unknown = [n for n, f in found.items() if f.severity is Severity.UNKNOWN]
        wrong = {n: f for n, f in found.items() if f.severity in WRONG}
        assert list(wrong) == [name], wrong
        assert all((wrong[name].found, wrong[name].why, wrong[name].mend))
        assert bool(unknown) is (name in FIRST), unknown
        assert {found[each].first for each in unknown} <= {name}
        assert all(f"mend {name} first" == found[each].mend for each in unknown)

    assert await billed_ward.wrong(name) == {}


@pytest.mark.parametrize("name", list(REMEDIES))
async def test_what_can_be_mended_safely_is(billed_ward: Ward, name: str) -> None:
    """The check passes afterwards, and there is nothing more to change."""
    async with BREAKS[name](billed_ward):
        found = await billed_ward.findings(name, fix=True)
        assert found[name].severity is Severity.OK, found[name]


async def test_a_lease_is_ended_only_as_it_was_shown(billed_ward: Ward) -> None:
    """An event that another worker took meanwhile is not taken from it."""
    store, label = billed_ward.store, counter("acme").rpartition(":")[2]
    record = f"meterdeck:billing:acme:api_calls:{label}"
    async with BREAKS["leases"](billed_ward), billed_ward.doctor() as doctor:
        (leases,) = doctor.checks(["leases"])
        (change,) = await doctor.changes(leases)
        store.hset(record, "worker", "worker-2")
        before = store.dump(record)
        with pytest.raises(Refused, match="not held any more as it was shown"):
            await change.make()
        assert store.dump(record) == before
