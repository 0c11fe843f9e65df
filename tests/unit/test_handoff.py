"""A shift's handoff: the Markdown, and that text from outside stays text in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from meterdeck.core.model.changes import Actor, AuditEntry, Override
from meterdeck.core.model.context import Mode
from meterdeck.core.model.delivery import EventState
from meterdeck.core.model.diagnosis import Severity, Verdict
from meterdeck.core.model.drift import Drifted, LastPass
from meterdeck.core.model.events import (
    EventOutcome,
    EventSource,
    LoggedEvent,
    MeterEvent,
)
from meterdeck.core.model.handoff import (
    AlertNote,
    AtRisk,
    EndingOverride,
    Handoff,
    Part,
    Unsent,
)
from meterdeck.core.model.handoff_markdown import handoff_markdown
from meterdeck.core.model.health_items import Item, Section
from meterdeck.core.model.ledger import LedgerEvent
from meterdeck.core.model.limit_rules import PLAIN
from meterdeck.core.model.markdown import code, escaped
from meterdeck.core.model.override_ends import Fallback, FoundOverride, ending_of
from meterdeck.core.model.reconciliation import Cause, Share
from meterdeck.core.model.usage import (
    CounterId,
    Limit,
    LimitSource,
    PlanName,
    Resource,
    ResourceName,
    Tenant,
    TenantId,
    TenantStatus,
)
from meterdeck.core.model.windows import Window, WindowKind
from meterdeck.tui.handoff_layout import laid_out

GOLDEN = Path(__file__).parent / "handoff.md"
NOW = datetime(2026, 11, 26, 6, 0, tzinfo=UTC)
ACME = Tenant(
    TenantId("acme"), "Acme | *Corp*", plan=PlanName("pro"),
    status=TenantStatus.PAST_DUE,
)  # fmt: skip
CALLS = Resource(ResourceName("api_calls"), "API calls", "call")
STORAGE = Resource(ResourceName("storage_gb"), "Storage", "GB", scale=3)


def ago(**length: float) -> datetime:
    """Return a moment before now."""
    return NOW - timedelta(**length)


def change(number: int, action: str, **more: str) -> AuditEntry:
    """Return an entry of the trail."""
    fields = {"before": "93000", "after": "104000", "bill": "quota_only", **more}
    return AuditEntry(
        id=f"{number}-0", at=ago(minutes=number), actor="ben (sudo as root)",
        origin="ssh", action=action, tenant=ACME.id, resource=CALLS.name,
        period="2026-11", reason="file <b>twice</b>\nimported", operation_id="op",
        previous_hash="", hash="", **fields,
    )  # fmt: skip


def full() -> Handoff:
    """Return a handoff with something in every part."""
    override = Override(
        ACME.id, CALLS.name, 150_000, "ana", "launch week", ago(days=2),
        NOW + timedelta(hours=3),
    )  # fmt: skip
    fallback = Fallback(ACME, CALLS, Limit(100_000, LimitSource.PLAN), PLAIN, 104_000)
    line = LoggedEvent(
        "", ago(hours=2), EventSource.WORKER, EventOutcome.REFUSED, ACME.id,
        CALLS.name, MeterEvent("api", "md-acme-7", "cus_1", "12", ago(hours=2)),
        "no meter named api", units=12,
    )  # fmt: skip
    letter = LedgerEvent(line, EventState.DEAD, ago(hours=2))
    window = Window(WindowKind.TIMESTAMP, NOW + timedelta(days=30))
    shares = (Share(Cause.MISSING, Decimal(11)), Share(Cause.LAG, Decimal(2)))
    counter = CounterId(ACME.id, CALLS.name, "2026-11")
    drifted = Drifted(counter, 104_000, 104_000, Decimal(103_987), shares)
    settling = replace(drifted, shares=shares[1:])
    last = LastPass(ago(minutes=20), "worker-1", 3.0, False, 40, 900, 1, 0,
                    (settling, drifted), more=3)  # fmt: skip
    slow = Verdict(Severity.WARNING, "2.1 GB of 2.5 GB", "raise maxmemory")
    fine = Verdict(Severity.OK, "answers in 0.4 ms")
    return Handoff(
        "production", Mode.LIVE, NOW, ago(hours=8), Actor("ana", "ssh 10.0.0.5"),
        tenants=1_204, at_limit=1, over90=1,
        risks=(
            AtRisk(ACME, CALLS, 150_000, 150_000, 100, full_in=timedelta(0)),
            AtRisk(ACME, STORAGE, 47_500, 50_500, 94, 0.7, timedelta(minutes=72)),
        ),
        more_risks=2, alerts=(
            AlertNote(ago(hours=1), "critical", "Acme | Corp API calls 100 %",
                      "near-limit", "open", open=True),
            AlertNote(ago(hours=3), "warning", "usage waits for Stripe 4 m",
                      "lag", "acknowledged by ben", open=False),
        ),
        alert_rules=2, alerts_watched=False, last_pass=last,
        overrides=(
            EndingOverride(
                FoundOverride(ACME.id, CALLS.name, override),
                ending_of(override, fallback, NOW),
            ),
        ),
        broken_overrides=1, letters=((letter, (window,)),),
        closing=(
            Unsent(ACME, STORAGE, "2026-11", NOW + timedelta(hours=18),
                   NOW + timedelta(hours=19), 1_500, 500),
        ),
        closing_h=24,
        changes=(
            change(5, "adjust:subtract", before="104000", after="93000", undoes="9-0"),
            change(9, "adjust:add"),
            change(30, "override:set", before="none", bill="",
                   after="150000 until 2026-11-26T09:00:00Z"),
        ),
        more_changes=True, scales={"api_calls": 0, "storage_gb": 3},
        health=(
            Item(Section.REDIS, "memory", "Memory", slow),
            Item(Section.REDIS, "ping", "Answer", fine),
        ),
    )  # fmt: skip


def test_the_whole_note_is_as_it_was_agreed() -> None:
    """Every part with something in it, as Markdown."""
    assert handoff_markdown(full()) == GOLDEN.read_text()


def test_a_quiet_shift_says_so_and_what_could_not_be_read_too() -> None:
    """No empty tables; a part that failed does not look like a quiet one."""
    quiet = Handoff("staging", Mode.TEST, NOW, ago(hours=8), Actor("ana", ""))
    assert "Nothing needs a look." in handoff_markdown(quiet)

    text = handoff_markdown(replace(quiet, unread={Part.LETTERS: "Redis is away"}))

    assert "| --- |" not in text
    assert "**Look at:** 1 part that was not read." in text
    assert "## Events that need somebody\n\n**Not read:** Redis is away\n" in text
    assert "No worker has compared the counters with Stripe yet." in text
    queued = handoff_markdown(replace(quiet, queued=3))
    assert "No counter, of the periods that end within" in queued
    assert "\nIn the queue of `track`: 3 events.\n" in queued


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("[x](http://evil)", r"\[x\](http\://evil)"),
        ("www.evil.example", r"www\.evil.example"),
        ("<img src=x> & `c`", r"\<img src=x\> \& \`c\`"),
        ("two\nlines \x1b[31m", "two␊lines ␛\\[31m"),
        ("it_is_5*3", r"it\_is\_5\*3"),
    ],
)
def test_text_from_outside_is_neither_markup_nor_a_link(text: str, shown: str) -> None:
    """A customer chooses their name; the next shift reads it as it is."""
    assert escaped(text) == shown
    assert code("acme_1") == "`acme_1`"
    assert code("a`b|c") == r"a\`b\|c"


def test_the_note_is_laid_out_for_a_narrow_screen() -> None:
    """Nothing is wider than the screen, and names stand there as they are."""
    lines = [text for text, _, _ in laid_out(handoff_markdown(full()), 78)]

    assert max(map(len, lines)) <= 78
    assert any("Acme | *Corp*" in line for line in lines)
    assert any(line.startswith("Look at: 1 alert that nobody") for line in lines)
    assert not any("**" in line or "\\" in line or "`" in line for line in lines)
