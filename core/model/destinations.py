"""What Stripe pushes, and to where, held against what a worker takes there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from meterdeck.core.model.context import Mode
from meterdeck.core.model.diagnosis import Verdict, ok, warning
from meterdeck.core.model.late_errors import LATE_ERRORS
from meterdeck.core.model.text import visible

WEBHOOK_PATH = "/stripe"
"""At which a worker takes Stripe's notifications."""

_EVERY = "*"
_MEND = (
    f"in Stripe's dashboard, Workbench, Webhooks: thin events of"
    f" {' and '.join(LATE_ERRORS)}, to the https address that leads to"
    f" delivery.webhook_port, path {WEBHOOK_PATH}"
)


@dataclass(frozen=True, slots=True)
class Notification:
    """What Stripe notifies of: an event to be fetched; the body has no more."""

    id: str
    type: str


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL that one account's events are pushed to.

    Attributes:
        thin: Whether what is pushed names its event and has no copy of the object.
        version: The API's version of copies; empty: the account's own, or none.
        events: The types it gets; `*`: all of them.
    """

    id: str
    url: str
    enabled: bool
    thin: bool
    events: tuple[str, ...]
    version: str = ""

    @property
    def lacks(self) -> tuple[str, ...]:
        """Which of the types that a worker reads are not pushed there."""
        if _EVERY in self.events:
            return ()
        return tuple(each for each in LATE_ERRORS if each not in self.events)


def judge_destinations(found: Iterable[Destination], mode: Mode) -> Verdict:
    """Judge where notifications of a worker that listens would come from.

    A warning is the worst: what is not pushed is asked for, only later. Which address
    leads to the worker is not known here; a proxy may stand before it.
    """
    ours = [each for each in found if _meant(each)]
    if not ours:
        return warning(
            "no endpoint of the account pushes the reports of events that were not"
            " counted",
            f"make one {_MEND}; or leave delivery.webhook_port out",
        )
    wrong = {each.id: _wrong(each, mode) for each in ours}
    best = min(ours, key=lambda each: len(wrong[each.id]))
    name = f"{visible(best.id, 60)} ({_address(best)})"
    if wrong[best.id]:
        return warning(f"{name} {', '.join(wrong[best.id])}", f"change it {_MEND}")
    kinds = "every type" if _EVERY in best.events else f"{len(best.events)} types"
    return ok(f"{name} is enabled, and pushes thin events of {kinds}")


def _meant(destination: Destination) -> bool:
    """Tell whether a destination is, or seems to be meant as, a worker's."""
    own_path = urlsplit(destination.url).path.rstrip("/")
    named = any(each in destination.events for each in LATE_ERRORS)
    every = destination.thin and _EVERY in destination.events
    return named or every or own_path.endswith(WEBHOOK_PATH)


def _wrong(destination: Destination, mode: Mode) -> Sequence[str]:
    wrong = []
    if not destination.enabled:
        wrong.append("is disabled")
    if not destination.thin:
        version = visible(destination.version, 40) or "the account's version"
        wrong.append(f"pushes copies of objects in {version}, which no worker reads")
    elif destination.lacks:
        wrong.append(f"does not push {' and '.join(destination.lacks)}")
    if mode is Mode.LIVE and urlsplit(destination.url).scheme != "https":
        wrong.append("is no https address")
    return wrong


def _address(destination: Destination) -> str:
    """Return host and path; what else a URL may hold is nobody's business."""
    parts = urlsplit(destination.url)
    return visible(f"{parts.hostname or 'no address'}{parts.path}", 120)
