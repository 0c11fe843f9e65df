"""Output that is closed, full, or left by its reader: changes and codes stay."""

import os
import shlex
import subprocess

import pytest
import redis
from tests.integration.cli.conftest import METERDECK, CommandLine, Done
from tests.integration.cli.test_catalogue import shop
from tests.integration.cli.test_writing import counter
from tests.support.stripe_account import Seller

__all__ = ["counter", "shop"]

ADJUST = ("adjust", "acme", "api_calls", "+5", "--reason", "x")
OVERRIDES = (
    *("override", "set", "plan:pro", "api_calls", "7", "--filter", "--yes"),
    *("--until", "3d", "--reason", "x"),
)


def ended(cli: CommandLine, *words: str, where: str) -> Done:
    """Run the program with its output led somewhere by a shell, as `> /dev/full`.

    The code is the program's own, whatever it is piped into.
    """
    line = shlex.join([METERDECK, *words, "--config", str(cli.config)])
    done = subprocess.run(
        ["/bin/bash", "-c", f'{line} {where}; exit "${{PIPESTATUS[0]}}"'],
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # as a shell's user has it
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_reader_that_leaves_stops_no_step_of_a_plan(
    shop: CommandLine, stripe_server: tuple[Seller, str]
) -> None:
    """As `| head -1` does: all of it is applied, and the next plan is empty."""
    done = ended(shop, "catalogue", "apply", where="| head -1")

    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    assert shop("catalogue", "plan").code == 0


def test_a_complaint_that_nobody_reads_stops_no_change(
    cli: CommandLine, store: redis.Redis, acme: str
) -> None:
    """Standard error may be closed, full, or a pipe whose reader has left."""
    for where in ("2>&-", "2> /dev/full", "2>&1 >&- | true"):
        store.delete("meterdeck:override:acme:api_calls")
        done = ended(cli, *OVERRIDES, where=where)

        assert (done.code, done.err) == (0, ""), where
        assert store.exists("meterdeck:override:acme:api_calls"), where


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("usage", "acme"), 0),
        (("usage", "nobody"), 1),
        (("usage", "acme", "--redis-url", "redis://127.0.0.1:1"), 3),
        (("consume", "acme", "storage_gb=51"), 1),
        (("tenants", "-n", "0"), 2),
    ],
)
def test_the_code_is_the_commands_whoever_reads(
    cli: CommandLine, acme: str, words: tuple[str, ...], code: int
) -> None:
    """As with `| true`, or where standard output is closed."""
    for where in ("| true", ">&-", "2>&- >&- <&-"):
        assert ended(cli, *words, "--json", where=where) == Done(code, "", ""), where
        assert ended(cli, *words, where=where).code == code, where


def test_an_answer_that_cannot_be_written_is_a_lost_answer(
    cli: CommandLine, store: redis.Redis, counter: str
) -> None:
    """Code 3; the change is made, and its operation id is told on standard error."""
    for words in (ADJUST, (*ADJUST, "--json")):
        done = ended(cli, *words, where="> /dev/full")
        said, _, rest = done.err.partition("repeating it with operation id ")
        named = rest.removesuffix(" tells it again\n")
        again = cli(*ADJUST, "--operation-id", named, "--json")

        assert (done.code, done.out) == (3, "")
        assert "could not be written: No space left on device; the change is" in said
        assert (again.code, again.json["replayed"]) == (0, True)
    assert store.get(counter) == b"510"


def test_a_refusal_that_cannot_be_written_stays_one(
    cli: CommandLine, counter: str
) -> None:
    """Nothing was changed, so the code is not that of a lost answer."""
    done = ended(cli, "usage", "nobody", "--json", where="> /dev/full")
    read = ended(cli, "usage", "acme", where="> /dev/full")

    sentence = "meterdeck: the answer could not be written: No space left on device\n"
    assert (done.code, done.err) == (1, sentence)
    assert (read.code, read.err) == (3, sentence)
