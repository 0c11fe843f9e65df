"""Secrets, and texts that must not hold one."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Final, final
from urllib.parse import quote

from meterdeck.core.errors import ConfigError

HIDDEN: Final = "••••"
_SHORT = 6
# Keys of Stripe's, secrets of its webhooks, and a password in an address, whoever
# wrote them there: also those that are nobody's `Secret` here.
_KEYLIKE = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|rk)_(?:live|test)_[A-Za-z0-9*]{8,}"
    r"|whsec_[A-Za-z0-9+/=]{8,})"
    r"|(?<=://)[^\s/@:'\"]*:[^\s/@'\"]+(?=@)"
)
_process = os.urandom(16)
_known: dict[str, str] = {}
_pattern: re.Pattern[str] | None = None


@final
class Secret:
    """A text that is never printed; `reveal` is the one way to read it.

    A pickle holds none of it: read in another process, it is a secret that is lost.
    No dataclass, so that `dataclasses.asdict` does not open it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: str | None = text
        _remember(text)

    def reveal(self) -> str:
        """Return the secret itself, for the client library that needs it.

        Raises:
            ConfigError: It came here from another process.
        """
        if self._text is None:
            raise ConfigError(
                "secret",
                "stayed in the process that read it",
                "load the context in this one",
            )
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return f"Secret('{HIDDEN}')"

    def __str__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[object, ...]:
        return _found_again, (_token(self._text or ""),)


def without_secrets(text: str) -> str:
    """Return `text` with dots where a secret of this process would be.

    Every `Secret` that was made here is known, in the forms in which it may be quoted,
    and what looks like a key of Stripe's or a password in an address is one.
    """
    if _pattern is not None:
        text = _pattern.sub(HIDDEN, text)
    return _KEYLIKE.sub(HIDDEN, text)


def _token(text: str) -> str:
    # Of this process alone: from a pickle nobody can try passwords against it.
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), key=_process
    ).hexdigest()


def _found_again(token: str) -> Secret:
    text = _known.get(token)
    if text is not None:
        return Secret(text)
    lost = Secret("")
    lost._text = None
    return lost


def _remember(text: str) -> None:
    global _pattern  # noqa: PLW0603  # as the secrets are: the process's own
    token = _token(text)
    if not text or token in _known:
        return
    _known[token] = text
    # The longest first: one may be a part of another.
    forms = sorted({form for each in _known.values() for form in _forms(each)})
    forms.sort(key=len, reverse=True)
    _pattern = re.compile("|".join(map(_found_in_text, forms)))


def _forms(secret: str) -> set[str]:
    quoted = json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe="")
    return {secret, *quoted}


def _found_in_text(form: str) -> str:
    """Return the pattern of a form; a short one counts only as a word of its own."""
    found = re.escape(form)
    return rf"(?<!\w){found}(?!\w)" if len(form) < _SHORT else found
