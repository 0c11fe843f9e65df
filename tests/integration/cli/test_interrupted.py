"""Ctrl-C while a change is under way: what was sent may have been done."""

import json
import signal

import pytest
import redis
from tests.integration.cli.conftest import CommandLine, Done
from tests.integration.cli.test_writing import counter
from tests.integration.sandbox.process import wait_until
from tests.support.proxy import Proxy

__all__ = ["counter"]

ADJUST = ("adjust", "acme", "api_calls", "+100", "--reason", "credit")


def interrupted(cli: CommandLine, link: Proxy, needle: str, *words: str) -> Done:
    """Run a command, and interrupt it when Redis has done what has `needle` in it."""
    link.lose(needle.encode(), silent=True)
    with cli.program(*words) as process:
        wait_until(lambda: link.faults > 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def test_an_interrupted_change_tells_how_it_is_repeated(
    cli: CommandLine, store: redis.Redis, counter: str, redis_link: Proxy
) -> None:
    """By the operation id that was made for it; the repeat changes nothing again."""
    done = interrupted(cli, redis_link, "credit", *ADJUST, "--json")
    error = json.loads(done.out)["error"]

    again = cli(*ADJUST, "--operation-id", error["operation_id"], "--json")

    assert (done.code, error["type"], done.err) == (130, "UnknownOutcome", "")
    assert (again.code, again.json["replayed"]) == (0, True)
    assert store.get(counter) == b"600"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--call-id", "c-1"), "repeating it with operation id c-1 does it at most"),
        ((), "it had no id, so that repeating it may do it twice"),
    ],
)
def test_interrupted_counting_tells_whether_it_can_be_repeated(
    cli: CommandLine,
    counter: str,
    redis_link: Proxy,
    given: tuple[str, ...],
    sentence: str,
) -> None:
    """As of a lost answer: with a call id it is counted once."""
    done = interrupted(
        cli, redis_link, counter, "consume", "acme", "api_calls=7", *given
    )

    assert (done.code, done.out) == (130, "")
    assert sentence in done.err
    assert cli("usage", "acme", "--json").json["usage"][0]["used"] == 507


def test_what_is_interrupted_before_it_began_tells_nothing(
    cli: CommandLine, store: redis.Redis, counter: str, redis_link: Proxy
) -> None:
    """It only read; nothing can have been done."""
    done = interrupted(cli, redis_link, "meterdeck:tenant:acme", *ADJUST)

    assert (done.code, done.out, done.err) == (130, "", "")
    assert store.get(counter) == b"500"
