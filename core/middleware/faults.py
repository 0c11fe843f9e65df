"""Faults while counting: counted each time, logged when something changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from meterdeck.core.errors import UnknownOutcome, Unreachable
from meterdeck.core.middleware.tally import Tally
from meterdeck.core.model.text import visible

_log = logging.getLogger("meterdeck.middleware")
_AGAIN_S = 60.0
"""Seconds between two log lines about the same kind of error."""
_CALM_S = 1.0
"""Seconds without a fault after which an answer ends an outage: what was under way
at its beginning still comes in, and a server may come and go."""


class Faults:
    """Keeps the fault counters, and the log from being flooded.

    An outage is logged when it begins and when it ends. Errors that come and go
    with the request (a broken counter, a failing callable) are logged once a minute
    for each kind, with the number left out.
    """

    def __init__(
        self, tally: Tally, rule: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tally = tally
        self._rule = rule
        self._clock = clock
        self._away = 0  # requests that failed in the present outage
        self._last_away = 0.0
        self._said: dict[str, tuple[float, int]] = {}  # kind → when, silent since

    def failed(self, error: Exception) -> None:
        """Note that a request could not be counted."""
        self._tally.faults += 1
        self._tally.unknown += is_unknown(error)
        if isinstance(error, Unreachable | TimeoutError):
            self._no_answer(f"rule={self._rule} {_words(error)}")
        else:
            self._say("usage_count_failed", error)

    def not_given_back(self, error: Exception) -> None:
        """Note that what a request took could not be given back."""
        self._tally.not_given_back += 1
        self._tally.unknown += is_unknown(error)
        if isinstance(error, Unreachable | TimeoutError):
            self._no_answer(f"rule=give_back {_words(error)}")
        else:
            self._say("usage_give_back_failed", error)

    def degraded(self, detail: str) -> None:
        """Note that a client answered by its own rules, as Redis did not."""
        self._no_answer(f"rule=client reason={visible(detail)!r}")

    def rule_failed(self, which: str, error: Exception) -> None:
        """Note that the application's callable for `which` raised or gave nonsense."""
        self._tally.rule_errors += 1
        self._say(f"usage_rule_failed callable={which}", error)

    def answered(self) -> None:
        """Note that the counter answered; ends an outage once it is calm."""
        if self._away and self._clock() - self._last_away >= _CALM_S:
            _log.warning("usage_outage_ended requests_failed=%d", self._away)
            self._away = 0

    def over_limit(self, tenant: str) -> None:
        """Note that an answer given was not counted, as it did not fit."""
        self._line("usage_over_limit", f"usage_over_limit tenant={visible(tenant)}")

    def _no_answer(self, words: str) -> None:
        self._away += 1
        self._last_away = self._clock()
        if self._away == 1:
            _log.warning("usage_outage_began %s", words)

    def _say(self, event: str, error: Exception) -> None:
        kind = f"{event} {type(error).__name__}"
        self._line(kind, f"{event} rule={self._rule} {_words(error)}", error)

    def _line(self, kind: str, line: str, error: Exception | None = None) -> None:
        now = self._clock()
        last, silent = self._said.get(kind, (0.0, 0))
        if kind in self._said and now - last < _AGAIN_S:
            self._said[kind] = (last, silent + 1)
            return
        self._said[kind] = (now, 0)
        _log.error("%s left_out=%d", line, silent, exc_info=error)


def is_unknown(error: Exception) -> bool:
    """Tell whether what failed may have been done all the same."""
    return isinstance(error, UnknownOutcome | TimeoutError)


def _words(error: Exception) -> str:
    text = str(error) or "no answer in time"
    return f"error={type(error).__name__} reason={visible(text)!r}"
