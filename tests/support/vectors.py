"""The contract's vectors: what they mean on a server, and whether an answer fits.

tests/interop/vectors/README.md says how they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from meterdeck.core.adapters.redis_client import to_milliseconds
from meterdeck.core.model.periods import calendar_month

VECTORS = Path(__file__).parents[1] / "interop" / "vectors"

Form = Any
"""A JSON value."""

_WORD = re.compile(
    r"\$(?P<at>month_start|month_end|next_year|now|month)"
    r"(?P<kind>_s|_date)?(?P<days>[+-]\d+d)?(?![a-z_])"
)


def read_vectors(name: str) -> dict[str, Form]:
    """Return a file of vectors as it is written."""
    found: dict[str, Form] = json.loads((VECTORS / f"{name}.json").read_text())
    return found


def cases_at(moment: datetime, *, tagged: bool) -> list[dict[str, Form]]:
    """Return the cases of counting.json as they are at `moment` of the server's clock.

    Every word has its value, every argument of a command is `{"hex": …}`, and every
    case has the resources it is about.
    """
    written = read_vectors("counting")
    now = moment.replace(microsecond=0)
    layout = "tagged" if tagged else "plain"
    return [
        _Case(now, tagged).form(case, written["resources"])
        for case in written["cases"]
        if case.get("layout", layout) == layout
    ]


class _Case:
    def __init__(self, now: datetime, tagged: bool) -> None:
        month = calendar_month(now)
        self._label = month.label
        self._moments = {
            "now": now,
            "month_start": month.start,
            "month_end": month.end,
            "next_year": month.start.replace(year=month.start.year + 1),
        }
        pair = ("{", "}") if tagged else ("", "")
        self._around = dict(zip(map(ord, "<>"), pair, strict=True))

    def form(self, case: Form, resources: Form) -> dict[str, Form]:
        return {
            "name": case["name"],
            "resources": {**resources, **case.get("resources", {})},
            "given": [self._command(each) for each in case.get("given", ())],
            "steps": [self._step(each) for each in case["steps"]],
            "state": [self._step(each) for each in case.get("state", ())],
        }

    def _step(self, step: Form) -> Form:
        if "redis" not in step:
            return {**self._timed(step), "answer": self._valued(step["answer"])}
        reply = self._valued(step.get("reply", {"any": True}))
        return {"redis": self._command(step["redis"]), "reply": self._named(reply)}

    def _timed(self, step: Form) -> dict[str, Form]:
        reading = step.get("set_gauge", {})
        if "measured_at" not in reading:
            return dict(step)
        at = self._valued(reading["measured_at"])
        return {"set_gauge": {**reading, "measured_at": at}}

    def _command(self, words: Sequence[Form]) -> list[Form]:
        return [{"hex": self._argument(each).hex()} for each in words]

    def _argument(self, word: Form) -> bytes:
        if isinstance(word, list):
            return b"".join(map(self._argument, word))
        if isinstance(word, dict):
            return bytes_of(word)
        text: str = self._named(self._valued(str(word)))
        return text.encode()

    def _named(self, form: Form) -> Form:
        if isinstance(form, list):
            return [self._named(each) for each in form]
        return form.translate(self._around) if isinstance(form, str) else form

    def _valued(self, form: Form) -> Form:
        if isinstance(form, str):
            return _WORD.sub(self._value, form)
        if isinstance(form, list):
            return [self._valued(each) for each in form]
        if isinstance(form, dict):
            return {key: self._valued(value) for key, value in form.items()}
        return form

    def _value(self, word: re.Match[str]) -> str:
        if word["at"] == "month":
            return self._label
        days = timedelta(days=int((word["days"] or "0d")[:-1]))
        moment = self._moments[word["at"]] + days
        if word["kind"] == "_date":
            return moment.strftime("%Y-%m-%d")
        in_ms = to_milliseconds(moment)
        return str(in_ms // 1000 if word["kind"] == "_s" else in_ms)


def bytes_of(name: Form) -> bytes:
    """Return the bytes of a text, of `{"text": …}` or of `{"hex": …}`."""
    if isinstance(name, str):
        return name.encode()
    if "hex" in name:
        return bytes.fromhex(name["hex"])
    text: str = name["text"]
    return text.encode()


def fits(expected: Form, found: Form) -> bool:
    """Tell whether `found` has all that is expected; what is not named is not compared.

    An expected text fits a number that is written so.
    """
    match expected:
        case {"any": True}:
            return True
        case {"between": [least, most]}:
            return bool(least <= found <= most)
        case dict():
            return isinstance(found, Mapping) and all(
                name in found and fits(each, found[name])
                for name, each in expected.items()
            )
        case list():
            return (
                isinstance(found, list)
                and len(found) == len(expected)
                and all(map(fits, expected, found))
            )
        case str():
            return isinstance(found, str | int) and str(found) == expected
        case _:
            return type(expected) is type(found) and bool(expected == found)
