"""What a block shows: commands and their output, and whether output is as shown.

Compared are words, numbers and signs. Not compared: how many blanks stand between two
words, day, month and time, and names that are made anew each time (see `_MADE`);
whoever runs the page learns them, and they hold for the rest of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ELLIPSIS = "…"
_MADE = (
    r"md1-[0-9a-f]{6,40}",  # meter event; its number, behind it, is compared
    r"al_[0-9a-f]{4,}",  # alert
    r"\d{13}-\d+",  # audit entry
    r"op-[0-9a-f]{6,}",
    r"[0-9a-f]{32}",  # operation, call
    r"(?:cus|sub|si|price|prod|mtr|evt|req|in)_[A-Za-z0-9]{6,}",
    r"127\.0\.0\.1:\d{4,5}",
)
_FREE = (
    r"\d{4}-\d{2}-\d{2}",
    r"\d{4}-\d{2}(?![\d-])",  # a month
    r"\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?Z?",
)
_TOKEN = re.compile(
    f"(?P<any>{ELLIPSIS})"
    f"|(?P<made>(?<![\\w-])(?:{'|'.join(_MADE)}))"
    f"|(?P<free>(?<![\\w-])(?:{'|'.join(_FREE)}))"
    r"|(?P<blank>\s+)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and what it prints; None: that is not shown."""

    command: str
    shown: str | None


def steps_of(text: str, *, prompts: bool = True) -> list[Step]:
    """Split a block into commands: `$ ` begins one, `> ` goes on with it.

    A command that ends in a backslash goes on in the next line, too. Without prompts
    each line is a command, except for comments.

    Raises:
        ValueError: It begins with something else.
    """
    steps: list[tuple[str, list[str]]] = []
    goes_on = False
    for line in text.splitlines() if prompts else _prompted(text):
        if goes_on or (line.startswith("> ") and steps and not steps[-1][1]):
            command, shown = steps.pop()
            steps.append((f"{command}\n{line.removeprefix('> ')}", shown))
            goes_on = line.endswith("\\")
        elif line.startswith("$ "):
            steps.append((line[2:], []))
            goes_on = line.endswith("\\")
        elif not steps:
            raise ValueError(f"a console block begins with '$ ', not with {line!r}")
        else:
            steps[-1][1].append(line)
    return [Step(c, "\n".join(shown).strip("\n") or None) for c, shown in steps]


def _prompted(text: str) -> Iterator[str]:
    goes_on = False
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line if goes_on else f"$ {line}"
            goes_on = line.endswith("\\")


def with_names(text: str, learned: Mapping[str, str]) -> str:
    """Put what was learned in the place of the page's own examples, long ones first."""
    for example in sorted(learned, key=len, reverse=True):
        text = text.replace(example, learned[example])
    return text


def compare(shown: str, printed: str, learned: dict[str, str]) -> bool:
    """Return whether it was printed as it is shown; note names that are new.

    `…` stands for anything in a line, and alone in a line for any number of lines.
    """
    pattern, names = _pattern(shown, learned)
    found = re.fullmatch(pattern, _tidy(printed))
    if found is None:
        return False
    for name, group in names.items():
        learned[name] = found[group]
    return True


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.strip("\n").splitlines())
    return "".join(f"{line}\n" for line in lines)


def _pattern(shown: str, learned: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    names: dict[str, str] = {}
    parts = []
    for line in _tidy(shown).splitlines():
        if line == ELLIPSIS:
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(_line(line, learned, names) + r"\n")
    return "".join(parts), names


def _line(line: str, learned: Mapping[str, str], names: dict[str, str]) -> str:
    pattern, at = "", 0
    for found in _TOKEN.finditer(line):
        pattern += re.escape(line[at : found.start()])
        pattern += _token(found, learned, names)
        at = found.end()
    return pattern + re.escape(line[at:])


def _token(
    found: re.Match[str], learned: Mapping[str, str], names: dict[str, str]
) -> str:
    text = found[0]
    if found["any"]:
        return ".*?"
    if found["blank"]:
        return r"\ +"
    if found["free"]:
        kind = next(each for each in _FREE if re.fullmatch(each, text))
        return f"(?:{kind})"
    if text in learned:
        return re.escape(learned[text])
    if text in names:
        return f"(?P={names[text]})"
    names[text] = f"made{len(names)}"
    return f"(?P<{names[text]}>{_kind(text)})"


def _kind(example: str) -> str:
    """Return the pattern of a made name; one that is cut is as long as the example."""
    cut = re.fullmatch(r"(md1-)([0-9a-f]{6,39})", example)
    if cut:
        return f"md1-[0-9a-f]{{{len(cut[2])}}}"
    return next(each for each in _MADE if re.fullmatch(each, example))
