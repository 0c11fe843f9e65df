"""How long the fuzzers run: a moment, or as many seconds as METERDECK_FUZZ_S says.

Each round has a number, and the same number makes the same round: METERDECK_FUZZ_FROM
begins with that one.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

LONG_S = float(os.environ.get("METERDECK_FUZZ_S", "0"))
FROM = int(os.environ.get("METERDECK_FUZZ_FROM", "1"))

patient = pytest.mark.timeout(120 + LONG_S * 2)
"""Lets a fuzzer run as long as it was told to."""

HOSTILE = (
    "",
    " ",
    "\x1b[31mred\x1b[0m\x07",
    "\x1b]52;c;AAAA\x07",
    "\x9b2J\x00\x7f",
    "[bold red]x[/] [@click=app.quit]q[/]",
    "=cmd|' /C calc'!A0",
    "\u202eevil\u200b\ufeff",
    "a\r\nb\tc",
    "{}",
    "[]",
    "null",
    "nan",
    "-1",
    "1e309",
    "9" * 40,
    "-" + "9" * 25,
    "9223372036854775807",
    "-9223372036854775808",
    "0x10",
    "1_000",
    "٣",
    "N" * 5_000,
    '{"a": [[[[]]]]}',
    "../../etc/passwd",
    "%s%n{0}",
)
"""Texts that somebody, somewhere, takes for something else."""


@dataclass
class Fuzzing:
    """The rounds of one fuzzer, and what it met."""

    name: str
    met: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    longest_s: float = 0.0

    def each(self, quick: int) -> Iterator[random.Random]:
        """Yield the source of a round's chances, `quick` times or for as long as told.

        Raises:
            AssertionError: A round went wrong; says which.
        """
        until = time.monotonic() + LONG_S
        number = FROM
        while number < FROM + quick or time.monotonic() < until:
            started = time.monotonic()
            try:
                yield random.Random(number)  # noqa: S311  # guesses no secret
            finally:
                self.number = number
            self.longest_s = max(self.longest_s, time.monotonic() - started)
            self.rounds += 1
            number += 1

    def told(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Print the counts of a long run."""
        if not LONG_S:
            return
        found = ", ".join(f"{what} {n:,}" for what, n in self.met.most_common())
        with capsys.disabled():
            print(
                f"\n{self.name}: {self.rounds:,} rounds, longest"
                f" {self.longest_s:.2f} s; {found}"
            )


def odd_json(chance: random.Random, depth: int = 0) -> object:
    """Return any JSON value, mostly a small one."""
    if depth < 3 and chance.random() < 0.3:
        if chance.random() < 0.4:
            return [odd_json(chance, depth + 1) for _ in range(chance.randrange(4))]
        key = chance.choice(["id", "object", "data", "x", "\x1b[2J", "error"])
        return {key: odd_json(chance, depth + 1)}
    numbers = (0, -1, 1, 2**63, -(2**70), 10**30, 253402300800, 0.1, 1e308, 1e-9)
    others = (None, True, False, "x")
    return chance.choice(chance.choice((HOSTILE, numbers, others)))


def bent(chance: random.Random, value: object) -> object:
    """Return a JSON value with something in it changed, taken out, or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        changed = dict(value)
        key = chance.choice(sorted(changed))
        match chance.randrange(5):
            case 0:
                del changed[key]
            case 1:
                changed[key] = odd_json(chance)
            case 2:
                changed[chance.choice(HOSTILE)] = odd_json(chance)
            case _:
                changed[key] = bent(chance, changed[key])
        return changed
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [
            *value[:at],
            bent(chance, value[at]),
            *value[at + chance.randrange(2) :],
        ]
    return odd_json(chance)
