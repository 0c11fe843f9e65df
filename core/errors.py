"""Every error meterdeck raises.

The hierarchy::

    MeterdeckError              exit code
     ├ ConfigError              2   a setting: file, key, what, what would be right
     ├ BadInput                 2   an argument is wrong
     ├ NotFound                 1   no such tenant, resource, override, event
     ├ Refused                  1   understood, and not done
     │  ├ ReadOnly                  the context does not allow changes
     │  ├ Conflict                  the value is not the one the operator saw
     │  │  └ CatalogueChanged          nor is the account the plan's
     │  ├ BrokenCounter             the key holds something that is no counter
     │  └ StripeRefused             Stripe answered no
     ├ Asked                    4   asked for, and not answered yet
     └ Unreachable              3   a server did not do its part
        ├ RedisUnreachable
        │  └ NotReplicated             written, and on no replica (yet)
        ├ RedisRefused              it answers, but not this: loading, rights, memory
        │  ├ NoRight                   the Redis user may not
        │  └ ProgramTooOld             its contract is newer than this program (exit 1)
        ├ StripeUnreachable
        └ UnknownOutcome            sent, no answer: nobody knows yet whether done

``str(error)`` is one sentence for the person who has to act on it.
"""

from __future__ import annotations

from typing import ClassVar

from meterdeck.core.model.text import visible

_LONGEST = 2000


class MeterdeckError(Exception):
    """Base of all errors; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1


class ConfigError(MeterdeckError):
    """A setting is missing or wrong.

    Args:
        where: File and key, environment variable or flag.
        problem: What is wrong with it.
        fix: What would be right.
    """

    exit_code = 2

    def __init__(self, where: str, problem: str, fix: str = "") -> None:
        self.where = where
        self.problem = problem
        self.fix = fix
        # One line, whatever a key of the file holds.
        sentence = f"{where}: {problem}" + (f"; {fix}" if fix else "")
        super().__init__(visible(sentence, _LONGEST))


class BadInput(MeterdeckError):
    """An argument of a call or a command cannot be used."""

    exit_code = 2


class NotFound(MeterdeckError):
    """The named thing does not exist."""


class Refused(MeterdeckError):
    """The operation was understood and is not allowed; nothing was changed."""


class ReadOnly(Refused):
    """The context does not allow changes."""


class Conflict(Refused):
    """The value is no longer the one the operator decided on."""

    def __init__(self, what: str, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"{what} is {actual:,} now, not {expected:,};"
            " nothing was changed, look again"
        )


class CatalogueChanged(Conflict):
    """The account is no longer what the plan was made of.

    Attributes:
        expected: How many steps the plan has.
        actual: How many it would have now.
    """

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__("the plan's length", expected, actual)
        self.args = (
            "Stripe has changed since the plan was shown; nothing was changed,"
            " look at the plan again",
        )


class BrokenCounter(Refused):
    """A counter's key holds a value of another type or not an integer."""

    def __init__(self, key: str, holds: str) -> None:
        self.key = key
        self.holds = holds
        super().__init__(
            f"{key} holds {holds}, not a whole number; meterdeck does not overwrite it"
        )


class StripeRefused(Refused):
    """Stripe understood the request and answered no.

    Attributes:
        status: HTTP status.
        code: Stripe's error code, empty where it gives none.
        request_id: Stripe's request id, empty where it gives none.
    """

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", request_id: str = ""
    ) -> None:
        self.status = status
        self.code = code
        self.request_id = request_id
        super().__init__(message)


class Asked(MeterdeckError):
    """A change was asked for and may still be done: neither done nor refused.

    Attributes:
        request: Its id.
        waiting_for: Who has to do something, in words.
        by_a_person: Somebody has to approve it; else no worker has answered yet.
    """

    exit_code = 4

    def __init__(
        self, request: str, waiting_for: str, *, by_a_person: bool = False
    ) -> None:
        self.request = request
        self.by_a_person = by_a_person
        self.waiting_for = waiting_for
        super().__init__(
            f"asked; waiting for {waiting_for}; see: meterdeck requests show {request}"
        )


class Unreachable(MeterdeckError):
    """A server could not do its part; trying again later may help."""

    exit_code = 3


class RedisUnreachable(Unreachable):
    """Redis did not answer; nothing was sent, or it was only a read."""


class NotReplicated(RedisUnreachable):
    """What was written is on no replica yet: a failover would take it back."""


class RedisRefused(Unreachable):
    """Redis answers, but refuses commands: loading, replica, memory, rights."""


class NoRight(RedisRefused):
    """The Redis user lacks a right, and nothing was done.

    Attributes:
        refused: The script or command that was refused; empty: not known.
    """

    def __init__(self, sentence: str, refused: str = "") -> None:
        self.refused = refused
        super().__init__(sentence)


class ProgramTooOld(RedisRefused):
    """The database's contract is newer: this program may read, and wrote nothing."""

    exit_code = 1


class StripeUnreachable(Unreachable):
    """Stripe did not answer, or answered with a fault of its own (429, 5xx)."""


class UnknownOutcome(Unreachable):
    """A write was sent and its answer was lost: repeat it with the same operation id.

    Attributes:
        what: The write, in words.
        operation_id: The id that makes the repeat safe; empty where there was none.
    """

    def __init__(self, what: str, operation_id: str) -> None:
        self.what = what
        self.operation_id = operation_id
        repeating = "it had no id, so that repeating it may do it twice"
        if operation_id:
            repeating = (
                f"repeating it with operation id {operation_id} does it at most once"
            )
        super().__init__(f"{what} was sent and the answer was lost; {repeating}")

    def under(self, operation_id: str) -> UnknownOutcome:
        """Return the same for whoever asked for more than this one write.

        A part of an operation has an id of its own, which its caller cannot repeat.
        """
        return UnknownOutcome(self.what, operation_id)
