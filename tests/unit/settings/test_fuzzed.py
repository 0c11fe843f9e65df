"""Any text is a configuration, or one sentence that says why it is none."""

import random
import re
import time
from importlib.resources import files
from pathlib import Path

import pytest
from tests.support.fuzzing import HOSTILE, Fuzzing, patient

from meterdeck.core.errors import MeterdeckError
from meterdeck.core.model.context import Context
from meterdeck.core.settings import load_context
from meterdeck.core.settings.explain import explain, summaries

EXAMPLE = (files("meterdeck.core.settings") / "example.toml").read_text()
WHOLE = re.sub(r"(?m)^#(?=\w+ = )", "", EXAMPLE).replace('"pass"', '"false"')
SECRETS = {"STAGING_REDIS_PASSWORD": "pw-of-staging", "STAGING_STRIPE_KEY": "rk_test_1"}
VALUES = (
    "0", "-1", "1.5", "true", '""', "[]", "{}", "[[]]", '["a", 1]', "nan", "inf",
    "1" + "0" * 30, "1979-05-27T07:32:00Z", "07:32:00", '{ env = "NONE" }',
    '{ env = "STAGING_STRIPE_KEY" }', '{ file = "/dev/null" }', '{ value = "x" }',
    '{ env = "A", file = "b" }', '"redis://[::1"', '"rediss://a:b@h:99999/x?y=z"',
    '"unlimited"', '"0.001 USD"', "'''\nlong\n'''", '"\\u0000\\u001b[2J"', "=", '"',
)  # fmt: skip
LONGEST_S = 5.0


def bent(chance: random.Random) -> str:
    """Return the example with a few of its lines changed, or its bytes."""
    lines = WHOLE.splitlines()
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(lines))
        key, equals, _ = lines[at].partition(" = ")
        match chance.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(chance.randrange(len(lines)), lines[at])
            case 2:
                written = chance.choice(HOSTILE).replace("\\", "\\\\")
                lines[at] = f'{key} = """{written}"""'
            case 3:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case 4:
                lines[at] = f"{key}{chance.choice('xX_.')}{equals}1"
            case _:
                lines[at] = f"{key} = {chance.choice(VALUES)}"
    return "\n".join(lines)


def written(chance: random.Random) -> bytes:
    """Return what stands in the file: mostly text, now and then something else."""
    raw = bent(chance).encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        at = chance.randrange(len(raw))
        raw = raw[:at] + chance.randbytes(chance.randrange(1, 9)) + raw[at + 1 :]
    return chance.randbytes(200) if chance.random() < 0.02 else raw


def variables(chance: random.Random) -> dict[str, str]:
    """Return an environment, which may set things, too."""
    if chance.random() < 0.7:
        return SECRETS
    path = chance.choice(
        ["CONTEXTS__STAGING__REDIS__URL", "CONTEXTS__STAGING__STRIPE__API_KEY",
         "RESOURCES__API_CALLS__SCALE", "PLANS__FREE__LIMITS__API_CALLS", "X__Y", "__",
         "CONTEXTS__STAGING__REDIS", "ALERTS__SOON__LAG", "DEFAULT_CONTEXT"]
    )  # fmt: skip
    value = chance.choice([*HOSTILE, *VALUES]).replace("\0", "")
    return {**SECRETS, f"METERDECK_{path}": value}


@patient
def test_whatever_is_written_it_is_a_context_or_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never a traceback, never a second line, never a secret, and never for long."""
    path, fuzzing = tmp_path / "c.toml", Fuzzing("configurations")
    for chance in fuzzing.each(60):
        path.write_bytes(written(chance))
        path.chmod(0o600)
        environ, started = variables(chance), time.process_time()
        context = chance.choice([None, None, None, "staging", "production"])
        found: Context | MeterdeckError
        try:
            found = load_context(config=path, context=context, environ=environ)
        except MeterdeckError as error:
            found = error
        if isinstance(found, MeterdeckError):
            sentence = str(found)
            assert found.exit_code == 2, sentence
            assert "\n" not in sentence.replace(str(path), "")
            assert len(sentence) < 3_000
            assert "pw-of-staging" not in sentence
            fuzzing.met["refused"] += 1
        else:
            assert isinstance(found, Context)
            fuzzing.met["a context"] += 1
            explain(config=path, context=context, environ=environ, flags={})
            assert summaries(config=path, context=context, environ=environ)
        assert time.process_time() - started < LONGEST_S
    fuzzing.told(capsys)
    assert len(fuzzing.met) == 2
