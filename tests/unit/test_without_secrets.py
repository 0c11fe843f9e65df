"""No secret in any text: not in what is printed, logged, kept of a fault or pickled."""

import copy
import dataclasses
import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from meterdeck.core.adapters.redis_client import redis_errors
from meterdeck.core.adapters.stripe_errors import fault_answered
from meterdeck.core.errors import BadInput, ConfigError, RedisRefused
from meterdeck.core.model.context import (
    RedisOptions,
    Secret,
    SentinelOptions,
    StripeOptions,
)
from meterdeck.core.model.secret import HIDDEN, without_secrets
from meterdeck.core.services.sync.journal import JsonLines, TextLines
from meterdeck.tui.cli import failure, main
from meterdeck.tui.crash import Crash

WORD = 'pl4nted"word/of us'
"""A secret that each way of quoting writes otherwise."""
KEY = "sk_live_" + "q7Zk29fPxLw4Tn1Bv8"

FORMS = [WORD, json.dumps(WORD), repr(WORD), "pl4nted%22word%2Fof%20us"]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_covered_in_each_form_in_which_texts_quote_it(form: str) -> None:
    """As it is, in JSON, in Python's notation, and in an address."""
    Secret(WORD)

    covered = without_secrets(f"AUTH ops {form} failed")

    assert "pl4nted" not in covered
    assert covered.startswith("AUTH ops ")
    assert covered.endswith(" failed")


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        (f"Invalid API Key: {KEY}", f"Invalid API Key: {HIDDEN}"),
        ("signed by whsec_abcdefghij+/=.", f"signed by {HIDDEN}."),
        ("redis://ops:hunter2@h:1/0", f"redis://{HIDDEN}@h:1/0"),
        ("rediss://:hunter2@h", f"rediss://{HIDDEN}@h"),
        ("https://hooks.example/a:b@c", "https://hooks.example/a:b@c"),
        ("task_test_successfully_done", "task_test_successfully_done"),
    ],
)
def test_what_looks_like_a_key_is_covered_whoever_wrote_it(
    text: str, covered: str
) -> None:
    """Also what is no secret of this process; other words stay."""
    assert without_secrets(text) == covered


def test_a_short_secret_does_not_riddle_every_word() -> None:
    """A password of two letters is covered where it stands alone."""
    Secret("zq")

    assert without_secrets("zq bezzqed") == f"{HIDDEN} bezzqed"


def test_a_pickle_of_options_holds_no_secret_and_is_whole_in_this_process() -> None:
    """In another process the secret is lost, and says so; the options are read."""
    options = RedisOptions(
        url="redis://h",
        password=Secret(WORD),
        sentinel=SentinelOptions((), "m", "", Secret("s3ntinel-word")),
    )
    pickled = pickle.dumps((options, StripeOptions(Secret(KEY))))

    assert pickle.loads(pickled)[0] == options  # noqa: S301  # ours
    assert copy.deepcopy(options) == options
    for secret in (b"pl4nted", b"s3ntinel", KEY.encode()):
        assert secret not in pickled
    program = (
        "import pickle, sys\n"
        "options, _ = pickle.loads(sys.stdin.buffer.read())\n"
        "print(options.password)\n"
        "options.password.reveal()\n"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], input=pickled, capture_output=True, check=False
    )
    assert elsewhere.stdout.decode().strip() == HIDDEN
    assert b"stayed in the process that read it" in elsewhere.stderr


def test_a_secret_is_not_opened_by_what_opens_dataclasses() -> None:
    """`asdict`, `vars` and JSON of options show dots, or refuse."""
    shown = str(dataclasses.asdict(StripeOptions(Secret(KEY))))

    assert KEY not in shown
    assert HIDDEN in shown
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_servers_that_quote_a_secret_are_not_quoted() -> None:
    """What Stripe, a proxy before it, or Redis say becomes an error without it."""
    body = {"error": {"message": f"Invalid API Key provided: {KEY}"}}
    fault = fault_answered(401, {}, body, "https://api.stripe.com")
    Secret(WORD)

    with pytest.raises(RedisRefused) as refused, redis_errors():
        raise ResponseError(f"ERR unknown command 'AUTH' '{WORD}'")

    assert fault.message == f"Invalid API Key provided: {HIDDEN}"
    assert "pl4nted" not in str(refused.value)


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_a_line_of_the_journal_holds_no_secret(formatter: logging.Formatter) -> None:
    """Whatever a fact or a library's message quotes."""
    record = logging.LogRecord("x", 20, "", 0, f"began {KEY}", (), None)
    facts = logging.LogRecord("x", 20, "", 0, "began", (), None)
    facts.facts = {"reason": f"AUTH {KEY} \x1b[31m"}

    for each in (record, facts):
        line = formatter.format(each)
        assert HIDDEN in (str(json.loads(line)) if line[0] == "{" else line)
        assert KEY not in line
        assert "\x1b" not in line


def test_a_sentence_on_the_command_line_holds_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither for people nor with --json."""
    failure.report(BadInput(f"no such {KEY}"), as_json=True)
    failure.report(ConfigError("x", f"no such {KEY}"), as_json=False)

    printed = "".join(capsys.readouterr())
    assert KEY not in printed
    assert "no such" in printed


def test_a_fault_of_a_command_is_one_sentence_and_its_trace_can_be_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No traceback goes to the terminal; the file has no secret and no escape."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(main, "_run", _stumble)

    assert main.main(["tenants"]) == 1

    said = capsys.readouterr().err
    assert said.startswith("meterdeck stopped: RuntimeError in test_without_secrets.py")
    [trace] = (tmp_path / "state").iterdir()
    text = trace.read_text()
    assert "RuntimeError: ␛]52;c;AAAA␇ " + HIDDEN in text
    assert "\x1b" not in text
    assert KEY not in said + text
    assert trace.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_what_a_crash_chains_is_covered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause's message is in the trace, its secret is not."""
    monkeypatch.setenv("METERDECK_STATE_DIR", str(tmp_path))
    error = RuntimeError("above")
    error.__cause__ = ValueError(f"below {KEY}")

    Crash.of(error)

    [trace] = tmp_path.iterdir()
    assert f"ValueError: below {HIDDEN}" in trace.read_text()


def _stumble(arguments: list[str], *_: object) -> int:
    raise RuntimeError(f"\x1b]52;c;AAAA\x07 {KEY}")
