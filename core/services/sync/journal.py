"""What a worker writes down: an event's name and its facts, for people and programs."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from meterdeck.core.model.secret import without_secrets
from meterdeck.core.model.text import visible

NAME = "meterdeck.sync"
_log = logging.getLogger(NAME)
# The terminal belongs to whoever runs the worker; a handler of theirs may listen.
_log.addHandler(logging.NullHandler())
_LONGEST = 500
_FRAMES = 4


def say(level: int, event: str, **facts: object) -> None:
    """Write down one event; the facts are data, never a format.

    Nothing secret is ever a fact: keys and passwords are `Secret`s, whose text is dots.
    What somebody else's words hold of one is covered when the line is written.
    """
    _log.log(level, "%s", event, extra={"facts": facts})


def info(event: str, **facts: object) -> None:
    """Write down what happens every day."""
    say(logging.INFO, event, **facts)


def warning(event: str, **facts: object) -> None:
    """Write down what somebody should know of."""
    say(logging.WARNING, event, **facts)


def error(event: str, **facts: object) -> None:
    """Write down what somebody has to mend."""
    say(logging.ERROR, event, **facts)


class TextLines(logging.Formatter):
    """One line a record, for people: moment, level, event, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; nothing in it can act on a terminal."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        event, facts = _parts(record)
        pairs = " ".join(f"{name}={_plain(value)}" for name, value in facts.items())
        line = f"{at} {record.levelname.lower():<7} {event} {pairs}".rstrip()
        return visible(line, 2000)


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII: at, level, event, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event, facts = _parts(record)
        at = datetime.fromtimestamp(record.created, UTC)
        return json.dumps(
            {
                "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "level": record.levelname.lower(),
                "event": event,
                **{name: _json(value) for name, value in facts.items()},
            }
        )


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    facts = getattr(record, "facts", None)
    said = without_secrets(record.getMessage())
    if isinstance(facts, dict):
        return said, facts | _raised(record)
    # Other modules write the event's name and key=value in one text.
    event, _, rest = said.partition(" ")
    return event, ({"text": rest} if rest else {}) | _raised(record)


def _raised(record: logging.LogRecord) -> dict[str, object]:
    """Return the exception that a record has with it, and where it was raised."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    return {"error": repr(error), "trace": _places(error.__traceback__)}


def _places(trace: TracebackType | None) -> str:
    """Name the innermost places, the last one first: a long fact loses its end."""
    frames = reversed(traceback.extract_tb(trace, -_FRAMES))
    return ", ".join(f"{Path(x.filename).name}:{x.lineno} {x.name}" for x in frames)


def _plain(value: object) -> str:
    text = str(_json(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text


def _json(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return visible(without_secrets(str(value)), _LONGEST)
