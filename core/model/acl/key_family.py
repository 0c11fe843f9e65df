"""Families of keys: what a rule of a Redis user names, instead of single keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from meterdeck.core.model.keys import KeyLayout

_ANY = "\ue000"  # stands for any name until the text around it is escaped
_SPECIAL = re.compile(r"([*?\[\]\\^])")
# What ends a word of an ACL file, or one of its rules: a pattern matches it, too.
_UNWRITABLE = re.compile(r"[\x00-\x20\x7f()\"']|[^\x00-\x7f]")


class KeyFamily(StrEnum):
    """Keys of one kind, of all tenants; each is a method of `KeyLayout`."""

    ALERT_DUE = "alert_due"
    ALERTED = "alerted"
    ALERTING = "alerting"
    ALERTS = "alerts"
    ANSWERED = "answered"
    ANSWERS = "answers"
    AUDIT = "audit"
    AUDITED = "audited"
    BEYOND = "beyond"
    BILLING = "billing"
    CALL = "call"
    CHANGED = "changed"
    CONTRACT = "contract"
    COUNTER = "counter"
    DIRECTORY = "directory"
    EVENTS = "events"
    HISTORY = "history"
    LETTERED = "lettered"
    LETTERS = "letters"
    MEASURED = "measured"
    MEMBERS = "members"
    OPERATION = "operation"
    OVERRIDDEN = "overridden"
    OVERRIDE = "override"
    OVERRIDES = "overrides"
    PENDING = "pending"
    QUEUE = "queue"
    QUEUED = "queued"
    QUEUES = "queues"
    REFUSALS = "refusals"
    REPORTS = "reports"
    REQUESTS = "requests"
    RESERVED = "reserved"
    RESERVING = "reserving"
    SAMPLED = "sampled"
    SEQUENCE = "sequence"
    SETTLED = "settled"
    SYNCING = "syncing"
    TENANT = "tenant"
    TENANTS = "tenants"
    TRYING = "trying"
    UNDONE = "undone"
    UNSETTLED = "unsettled"
    WORKERS = "workers"


_Names = Callable[[KeyLayout], bytes]


def _of(count: int) -> Callable[[KeyFamily], _Names]:
    def named(family: KeyFamily) -> _Names:
        return lambda layout: getattr(layout, family.value)(*([_ANY] * count))

    return named


_PARTS = {
    0: "alert_due alerted alerting audited changed contract directory events lettered"
    " overridden pending queues reports reserving sequence syncing tenants unsettled"
    " workers",
    1: "alerts answers audit letters overrides queue queued refusals requests sampled"
    " tenant undone",
    2: "answered call history measured operation override settled",
    3: "beyond billing counter members reserved trying",
}
_NAMES: Mapping[KeyFamily, _Names] = {
    KeyFamily(name): _of(count)(KeyFamily(name))
    for count, names in _PARTS.items()
    for name in names.split()
}


def pattern_of(family: KeyFamily, layout: KeyLayout) -> str:
    """Return the glob pattern of a family's keys, as `ACL SETUSER` takes it.

    Bytes that cannot be written there stand as `?`, which any byte matches.
    """
    name = _NAMES[family](layout).decode("utf-8", "surrogateescape")
    escaped = _SPECIAL.sub(r"\\\1", name)
    return _UNWRITABLE.sub(_question_marks, escaped.replace(_ANY, "*"))


def list_of(person: str, layout: KeyLayout) -> str:
    """Return the pattern of one person's list of requests, and of nobody else's.

    Args:
        person: A name that has nothing in it which a pattern would take for another.
    """
    whole = pattern_of(KeyFamily.REQUESTS, layout)
    return f"{whole.removesuffix('*')}{person}"


def patterns_of(families: Iterable[KeyFamily], layout: KeyLayout) -> tuple[str, ...]:
    """Return the patterns of several families, each once, in order."""
    return tuple(sorted({pattern_of(each, layout) for each in families}))


def _question_marks(found: re.Match[str]) -> str:
    # A pattern is matched byte by byte.
    return "?" * len(found[0].encode("utf-8", "surrogateescape"))
