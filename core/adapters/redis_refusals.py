"""What a Redis server refuses, and what no answer means: in sentences of ours."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)

from meterdeck.core.errors import MeterdeckError, NoRight, RedisRefused
from meterdeck.core.model.secret import without_secrets
from meterdeck.core.model.text import visible

_NO_RIGHT = "this Redis user has no right to do that"
_NO_LOGIN = "Redis asks for a password: set redis.password"
_OTHER_LOGIN = "Redis does not accept this user name and password"
_LOGINS = (_NO_LOGIN, _OTHER_LOGIN)
_MOVING = "the keys are being moved to another node of the Redis cluster"
_TOO_OLD = "this Redis server is too old; meterdeck needs version 7 or newer"

# The library takes the code away from the errors it has a class for.
_BY_CLASS: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "Redis is still loading its data; it will answer soon"),
    (NoPermissionError, _NO_RIGHT),
    (ReadOnlyError, "this Redis server is a replica and takes no writes"),
    (OutOfMemoryError, "Redis has reached its memory limit and takes no writes"),
    (MasterDownError, "this Redis replica has lost its master"),
    (ClusterDownError, "the Redis cluster is down"),
    (ClusterCrossSlotError, "keys lie in different cluster slots: set redis.tagged"),
    (MovedError, "this is a node of a Redis Cluster: set redis.cluster"),
    (AskError, _MOVING),
    (TryAgainError, _MOVING),
)
# Answers of a server that is not, or not now, the one to ask: it did nothing.
_ELSEWHERE = (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)
_BY_TEXT = (
    ("WRONGPASS", _OTHER_LOGIN),
    ("invalid username-password", _OTHER_LOGIN),
    ("NOAUTH", _NO_LOGIN),
    ("Authentication required", _NO_LOGIN),
    ("NOPERM", _NO_RIGHT),
    ("can't run this command", _NO_RIGHT),
    ("ACL failure", _NO_RIGHT),
    ("near '#'", _TOO_OLD),
    ("MISCONF", "Redis cannot write to its disk and takes no writes"),
    ("NOREPLICAS", "too few Redis replicas are connected; it takes no writes"),
    (
        "cluster support disabled",
        "this Redis server is no cluster: unset redis.cluster",
    ),
    ("BUSY Redis", "Redis is busy with a script that does not end"),
)


def is_elsewhere(error: RedisRefused) -> bool:
    """Tell whether another server, or this one later, has to be asked the same."""
    return isinstance(error.__cause__, _ELSEWHERE)


def is_no_permission(error: RedisRefused) -> bool:
    """Tell whether the server refused for want of a right, before it did anything."""
    return isinstance(error.__cause__, NoPermissionError)


def is_other_type(error: MeterdeckError) -> bool:
    """Tell whether a key that was asked for holds something else."""
    return "WRONGTYPE" in str(error.__cause__)


def is_login(error: RedisRefused) -> bool:
    """Tell whether the server did not take the user's name and password."""
    return str(error) in _LOGINS


def right_missing(
    redis: Redis, error: RedisRefused, *, script: str, what: str, loaded: bool
) -> NoRight:
    """Return the refusal of a script with who was refused, and which roles may.

    Args:
        loaded: The server knows the script; else it had to be sent as a text.
    """
    from meterdeck.core.model.acl.refusal import explained  # noqa: PLC0415  # rare

    pool = getattr(redis, "connection_pool", None)
    given = pool.connection_kwargs.get("username") if pool is not None else None
    who = f"Redis user {visible(str(given))}" if given else "this Redis user"
    said = f"{who} has no right to do that: {what}"
    # A text that was sent and refused within is refused for what it does.
    if not loaded and "'eval" in str(error.__cause__).lower():
        said += " runs a script that the server has forgotten, and this user may not"
        said += " send one: have a worker run, or meterdeck acl --apply as deploy"
    elif why := explained(str(error.__cause__), script=script):
        said += f" was refused; {why}"
    refused = NoRight(said, script if loaded else "")
    refused.__cause__ = error.__cause__
    return refused


def is_unknown_script(error: RedisRefused) -> bool:
    """Tell whether the server does not know a script's digest (yet)."""
    return isinstance(error.__cause__, NoScriptError)


def origin_of(error: BaseException) -> Exception:
    """Return the error that all began with."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    assert isinstance(error, Exception)
    return error


def was_never_sent(error: Exception) -> bool:
    """Tell whether a connection failed before a command went out."""
    # The library tells the two apart only by their text.
    text = str(error)
    return "connecting to" in text or "No connection available" in text


def silence(error: Exception) -> str:
    """Say in a sentence why no answer came."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("verify failed: ")[2].rpartition(" (_ssl")[0]
        return f"Redis's certificate is not accepted: {visible(why) or 'unknown'}"
    return f"Redis does not answer: {words_of(error)}"


def refused(error: Exception) -> RedisRefused:
    """Return what the server answered as our error, with what would be right."""
    sentence = _sentence(error)
    if sentence is None:
        return RedisRefused(f"Redis refused: {words_of(error)}")
    if sentence is not _NO_RIGHT:
        return RedisRefused(sentence)
    # Rare, and the console's start should not pay for the roles' tables.
    from meterdeck.core.model.acl.refusal import command_in, explained  # noqa: PLC0415

    said = str(error)
    why = explained(said)
    told = f"{sentence}; {why}" if why else f"{sentence} ({words_of(error)})"
    return NoRight(told, command_in(said))


def _sentence(error: Exception) -> str | None:
    for kind, sentence in _BY_CLASS:
        if isinstance(error, kind):
            return sentence
    text = str(error)
    return next((words for sign, words in _BY_TEXT if sign in text), None)


def words_of(error: Exception) -> str:
    """Return an error of the library as text that can be shown."""
    text = without_secrets(str(error)).rstrip(".")
    return visible(text or type(error).__name__)
