"""What happens when an override ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meterdeck.core.model.changes import Override
from meterdeck.core.model.limit_rules import Enforcement, LimitRule
from meterdeck.core.model.override_ends import (
    Fallback,
    Fate,
    FoundOverride,
    by_end,
    ending_of,
    ending_words,
)
from meterdeck.core.model.usage import (
    Broken,
    Limit,
    LimitSource,
    PlanName,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
)

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
ACME, CALLS = TenantId("acme"), ResourceName("api_calls")
OVERRIDE = Override(
    ACME, CALLS, 150_000, "ana", "launch", NOW, NOW + timedelta(hours=3)
)
PLAN = Fallback(
    Tenant(ACME, "Acme", plan=PlanName("pro")),
    Resource(CALLS, "API calls", "call"),
    Limit(100_000, LimitSource.PLAN),
    LimitRule(),
    used=41_000,
    resets_at=NOW + timedelta(days=5),
)
SOFT = LimitRule(Enforcement.SOFT)


@pytest.mark.parametrize(
    ("changes", "fate", "words"),
    [
        ({}, Fate.FITS, "41 % used, nothing is refused"),
        ({"used": 104_000}, Fate.REFUSED, "refused at once, 4,000 over"),
        ({"used": 100_000}, Fate.REFUSED, "refused at once, nothing is left"),
        ({"used": 104_000, "rule": SOFT}, Fate.OVER, "4,000 over, and let pass (soft)"),
        (
            {"used": 99_000, "rate": 1.0},
            Fate.BY_THEN,
            "refused by then: full in ~16 m at this rate",
        ),
        (
            {"used": 99_000, "rate": 1.0, "rule": SOFT},
            Fate.LATER,
            "99 % used, full in ~16 m at this rate",
        ),
        ({"rate": 1.0}, Fate.LATER, "41 % used, full in ~16 h 23 m at this rate"),
        ({"rate": 0.1}, Fate.FITS, "41 % used, nothing is refused"),
        (
            {"used": 104_000, "resets_at": NOW + timedelta(hours=1)},
            Fate.ANEW,
            "the counter starts anew before, 2026-11-26 06:00 UTC",
        ),
        ({"used": None}, Fate.UNKNOWN, "the tenant is not known any more"),
        ({"used": Broken("a list")}, Fate.UNKNOWN, "its counter holds a list"),
    ],
)
def test_the_end_is_judged_by_the_limit_that_holds_then(
    changes: dict[str, object], fate: Fate, words: str
) -> None:
    """Back to which limit, whether calls are refused, how far over, at what rate."""
    ending = ending_of(OVERRIDE, replace(PLAN, **changes), NOW)  # type: ignore[arg-type]

    assert ending.fate is fate
    assert ending.tight == (fate in (Fate.REFUSED, Fate.BY_THEN))
    assert ending_words(ending, NOW) == f"100,000 (plan pro): {words}"


def test_an_override_that_throttles_ends_in_more_being_allowed() -> None:
    """It is below the plan's limit, and is reached."""
    ending = ending_of(replace(OVERRIDE, units=40_000), PLAN, NOW)

    assert ending.fate is Fate.AGAIN


def test_what_ends_first_comes_first_after_what_is_wrong() -> None:
    """Broken and ended ones on top, endless ones last."""
    endless = FoundOverride(ACME, CALLS, replace(OVERRIDE, expires_at=None))
    late, soon = (
        FoundOverride(ACME, CALLS, replace(OVERRIDE, expires_at=NOW + timedelta(h)))
        for h in (9, 1)
    )
    broken = FoundOverride(ACME, CALLS, None, problem="it holds no limit")
    ended = replace(late, ended=True)

    ordered = sorted((endless, late, ended, soon, broken), key=by_end)

    assert ordered == [broken, ended, soon, late, endless]
