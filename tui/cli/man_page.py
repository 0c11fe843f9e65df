"""`meterdeck man`: the manual page, from the grammar of the command line."""

from __future__ import annotations

import argparse
import sys
from argparse import Namespace
from collections.abc import Iterator

from meterdeck.core.version import RELEASED, VERSION
from meterdeck.tui.cli.commands import build_parser

_SERVERS = ["sandbox", "demo"]
_ABOUT = """\
.SH DESCRIPTION
Without a command the console opens: every tenant's usage live, and what an operator
may do about it. Each command does the same for scripts; with
.B \\-\\-json
its answer is one JSON object.
"""
_REST = """\
.SH EXIT STATUS
.IP 0
done
.IP 1
refused or not found: nothing was changed; of commands that look for something: found
.IP 2
wrong use, or a wrong configuration
.IP 3
Redis or Stripe out of reach, or an answer was lost
.IP 4
asked for, and not answered yet
.IP 130
interrupted
.SH ENVIRONMENT
.TP
.B METERDECK_CONFIG
the configuration file, where
.B \\-\\-config
does not name it
.TP
.B METERDECK_CONTEXT
the context to work in
.TP
.B METERDECK_STATE_DIR
folder of this user's state, in place of ~/.local/state/meterdeck
.TP
.B NO_COLOR
no colours, if set
.SH FILES
.TP
.I meterdeck.toml
the configuration, in the working directory; else ~/.config/meterdeck/config.toml
.SH SEE ALSO
.BR redis\\-cli (1),
.BR systemd.service (5)
"""


def run(args: Namespace) -> int:
    """Print the page; `meterdeck man | man -l -` shows it."""
    sys.stdout.write(man_page())
    return 0


def man_page() -> str:
    """Return the page in roff's man macros; the same for the same version."""
    parser = build_parser(_SERVERS)
    lines = [
        f'.TH METERDECK 1 "{RELEASED}" "meterdeck {VERSION}" "User Commands"',
        ".SH NAME",
        f"meterdeck \\- {_roff(_lower(parser.description or ''))}",
        ".SH SYNOPSIS",
        ".B meterdeck",
        "[\\fIOPTIONS\\fR]",
        "[\\fICOMMAND\\fR]",
        _ABOUT.rstrip("\n"),
        ".SH OPTIONS",
        *_arguments(parser, known=frozenset()),
        ".SH COMMANDS",
    ]
    known = _options(parser) | {"--json"}
    for words, purpose, command in _leaves(parser):
        lines += [".SS " + _roff(_usage(words, command, known))]
        lines += [_roff(purpose[:1].upper() + purpose[1:]) + "."] if purpose else []
        lines += _arguments(command, known)
    return "\n".join([*lines, _REST])


def _leaves(
    parser: argparse.ArgumentParser, words: str = "", purpose: str = ""
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield every command that can be given: its words, what it is for, its parser."""
    family = _family(parser)
    handled = words and (family is None or parser.get_default("handler"))
    if handled:
        yield words, purpose, parser
    if family is None:
        return
    helps = {each.dest: each.help or "" for each in family._choices_actions}
    for name, inner in family.choices.items():
        yield from _leaves(inner, f"{words} {name}".strip(), helps.get(name, ""))


def _family(
    parser: argparse.ArgumentParser,
) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    found = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return next(found, None)


def _options(parser: argparse.ArgumentParser) -> frozenset[str]:
    return frozenset(o for each in parser._actions for o in each.option_strings)


def _usage(words: str, parser: argparse.ArgumentParser, known: frozenset[str]) -> str:
    parts = [words]
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            continue
        if not each.option_strings:
            parts.append(_positional(each))
        elif each.required:
            parts.append(f"{each.option_strings[0]} {_value(each)}")
        elif not known.intersection(each.option_strings):
            named = f"{each.option_strings[0]} {_value(each)}".strip()
            parts.append(f"[{named}]")
    return " ".join(parts)


def _positional(action: argparse.Action) -> str:
    name = _value(action)
    forms = {"?": f"[{name}]", "*": f"[{name} …]", "+": f"{name} …"}
    return forms.get(str(action.nargs), name)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    metavar = action.metavar
    if isinstance(metavar, tuple):
        return " ".join(metavar)
    return metavar or action.dest.upper()


def _arguments(parser: argparse.ArgumentParser, known: frozenset[str]) -> Iterator[str]:
    """Yield what is told of a parser's arguments, without those told before."""
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction) or not each.help:
            continue
        if each.help == argparse.SUPPRESS or known.intersection(each.option_strings):
            continue
        yield ".TP"
        names = ", ".join(each.option_strings) or _value(each)
        value = _value(each) if each.option_strings else ""
        italic = f" \\fI{_roff(value)}\\fR" if value else ""
        yield f"\\fB{_roff(names)}\\fR{italic}"
        yield _roff(_help(each))


def _help(action: argparse.Action) -> str:
    return (
        (action.help or "")
        .replace("%(default)s", str(action.default))
        .replace("%%", "%")
    )


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _roff(text: str) -> str:
    """Write text so that roff prints it as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = "".join(_SIGNS.get(each, each) for each in text)
    return f"\\&{text}" if text.startswith((".", "'")) else text


_SIGNS = {"…": "\\&...", "→": "\\(->", "×": "\\(mu", "’": "\\(cq", "–": "\\(en"}
